//! A TCP connection with a deadline and a byte budget: however a peer trickles or floods, reading ends.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use url::{Host, Url};

/// Bytes that are read of a connection altogether: the longest message (25 MiB) and room for the frames around it.
const MAX_BYTES: usize = 32 << 20;

/// Addresses of one name that are tried. Round-robin names have a handful.
const MAX_ADDRESSES: usize = 8;

/// The addresses of "localhost", which no resolver is asked for.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A deadline that can be moved while the stream is in use.
pub(super) type Deadline = Rc<Cell<Instant>>;

/// The connection.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    deadline: Deadline,
    left: usize,
}

/// The peer sent more than is read.
#[derive(Debug, thiserror::Error)]
#[error("the gateway sent more than {} MiB", MAX_BYTES >> 20)]
pub(super) struct TooMuch;

/// What is left until a deadline; none where it is over.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A time of zero would mean "for ever" to a socket.
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket says "would block" where its time is over.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Stream {
    /// Connects to the host of a URL.
    pub fn connect(url: &Url, deadline: Deadline) -> io::Result<Self> {
        let port = url.port_or_known_default().unwrap_or(0);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain("localhost")) => {
                LOCALHOST.iter().map(|address| (*address, port).into()).collect()
            }
            Some(Host::Domain(name)) => (name, port).to_socket_addrs()?.take(MAX_ADDRESSES).collect(),
            None => Vec::new(),
        };
        let mut failure: io::Error = io::ErrorKind::NotFound.into();
        for (number, address) in addresses.iter().enumerate() {
            // One address that never answers must not use up the time of the others.
            let others = u32::try_from(addresses.len() - number).unwrap_or(1);
            match TcpStream::connect_timeout(address, left(deadline.get())? / others) {
                Ok(tcp) => {
                    // Small frames go out at once. Without it they go out all the same.
                    let _ = tcp.set_nodelay(true);
                    return Ok(Self { tcp, deadline, left: MAX_BYTES });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The address of this end.
    pub fn here(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The address of the other end.
    pub fn there(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }

    /// The other side has closed the connection, without a word.
    pub fn is_closed(&self) -> bool {
        if self.tcp.set_nonblocking(true).is_err() {
            return true;
        }
        let closed = match self.tcp.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        closed || self.tcp.set_nonblocking(false).is_err()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(TooMuch));
        }
        self.tcp.set_read_timeout(Some(left(self.deadline.get())?))?;
        let most = buffer.len().min(self.left);
        let count = self.tcp.read(buffer.get_mut(..most).unwrap_or_default()).map_err(timed_out)?;
        self.left -= count;
        Ok(count)
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(left(self.deadline.get())?))?;
        self.tcp.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
