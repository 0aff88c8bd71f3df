//! expect: inconclusive: Err(PermissionDenied) Err(PermissionDenied) Err(PermissionDenied) Err(PermissionDenied) Err(PermissionDenied)
//!
//! Connects, listens, sends and resolves.

use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use chitin_hostile::{Input, Verdict, got, guest, kept_out};

fn audit(_: Input) -> Verdict {
    let tries = [
        TcpStream::connect("127.0.0.1:80").map(drop),
        TcpStream::connect("[::1]:80").map(drop),
        TcpListener::bind("127.0.0.1:0").map(drop),
        UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", "127.0.0.1:53")).map(drop),
        "localhost:80".to_socket_addrs().map(drop),
    ];
    let met: Vec<String> =
        tries.iter().map(|tried| format!("{:?}", tried.as_ref().map_err(|error| error.kind()))).collect();
    if tries.iter().any(Result::is_ok) { got(met.join(" ")) } else { kept_out(met.join(" ")) }
}

guest!(audit);
