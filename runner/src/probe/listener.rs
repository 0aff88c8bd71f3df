//! Whose the other end of a connection on this machine is: the kernel's tables of TCP sockets, read for the very connection
//! that stands. A listener that is swapped between the look and the connection, or that shares its port with one of another
//! user, changes nothing: what counts is who has accepted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::stream::Stream;
use crate::target::read_regular;

/// Where Linux tells of TCP sockets; the second also of those that are reached by IPv4.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// Which users of the machine are known here.
const UID_MAP: &str = "/proc/self/uid_map";
/// Most bytes of a table: a hundred thousand connections take 15 MiB.
const MAX_TABLE: u64 = 64 << 20;
/// The state of a socket whose connection stands.
const ESTABLISHED: u8 = 1;
/// The user that stands for all who are not known in a user namespace.
const NOBODY: u32 = 65534;
/// A map of all users to themselves has so many.
const ALL_USERS: u32 = u32::MAX;
/// How often it is looked again whether the connection is accepted.
const STEP: Duration = Duration::from_millis(10);
/// How often a connection is looked for that no table has: it may come into one a moment after the other side knows of it.
const LOOKS: usize = 20;

/// What is known of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// This user has accepted the connection.
    Accepted(u32),
    /// It waits to be accepted. Some kernels call such a socket root's.
    Waiting,
    /// No table has it.
    Unknown,
}

/// Why nothing may be shown to the other end.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another user listens, or it is not known who: in our words.
    Stranger(String),
    /// Nobody accepts the connection in time.
    Timeout,
    /// The other side has closed it.
    Closed,
    /// The connection leads to itself: nobody listens.
    Nobody,
}

/// Waits until the connection is accepted, and says whether it was by the installation's owner or by root.
pub(super) fn check(stream: &Stream, owner: u32, deadline: Instant) -> Result<(), Refusal> {
    let unknown = |what: &str| Refusal::Stranger(format!("it is not known who listens there ({what})"));
    let (Ok(here), Ok(there)) = (stream.here(), stream.there()) else {
        return Err(unknown("the connection has no addresses"));
    };
    if here == there {
        return Err(Refusal::Nobody);
    }
    let mut looks = 0;
    loop {
        let end = look(here, there).map_err(|_| unknown("this system has no readable /proc/net/tcp"))?;
        match end {
            End::Accepted(uid) => return judge(uid, owner),
            _ if stream.is_closed() => return Err(Refusal::Closed),
            End::Unknown if looks == LOOKS => {
                return Err(unknown(
                    "no table of this system has the connection: it may end in another network namespace",
                ));
            }
            End::Unknown => looks += 1,
            End::Waiting => {}
        }
        if Instant::now() + STEP >= deadline {
            return Err(Refusal::Timeout);
        }
        std::thread::sleep(STEP);
    }
}

fn judge(uid: u32, owner: u32) -> Result<(), Refusal> {
    if uid == NOBODY && !knows_all_users() {
        let words = "the user who listens there is none that this user namespace knows";
        return Err(Refusal::Stranger(words.to_owned()));
    }
    if uid == owner || uid == 0 {
        return Ok(());
    }
    let owner = if owner == 0 { "root".to_owned() } else { format!("its owner (uid {owner}) or root") };
    Err(Refusal::Stranger(format!(
        "uid {uid} listens there, and the installation's gateway is run by {owner}"
    )))
}

/// Every user has a number of its own here.
fn knows_all_users() -> bool {
    let map = read_regular(Path::new(UID_MAP), MAX_TABLE).unwrap_or_default();
    let map = String::from_utf8_lossy(&map);
    let mut fields = map.split_whitespace().map(str::parse::<u32>);
    matches!((fields.next(), fields.next(), fields.next()), (Some(Ok(0)), Some(Ok(0)), Some(Ok(ALL_USERS))))
}

/// Looks for the other end in both tables.
fn look(here: SocketAddr, there: SocketAddr) -> io::Result<End> {
    let mut read = false;
    let mut end = End::Unknown;
    for table in TABLES {
        // A kernel without IPv6 has one table.
        let Ok(bytes) = read_regular(Path::new(table), MAX_TABLE) else { continue };
        read = true;
        match find(&String::from_utf8_lossy(&bytes), here, there) {
            End::Unknown => {}
            found => end = found,
        }
    }
    if read { Ok(end) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// The socket whose own address is `there` and whose peer's is `here`.
fn find(table: &str, here: SocketAddr, there: SocketAddr) -> End {
    let (here, there) = (plain(here), plain(there));
    let sockets = table.lines().skip(1).filter_map(Socket::read);
    let mut ends = sockets
        .filter(|socket| socket.state == ESTABLISHED && socket.local == there && socket.remote == here);
    match ends.next() {
        Some(Socket { inode: 0, .. }) => End::Waiting,
        Some(Socket { uid, .. }) => End::Accepted(uid),
        None => End::Unknown,
    }
}

/// A line of a table.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    state: u8,
    uid: u32,
    /// 0 where no process has it: it is not accepted yet, or closed.
    inode: u64,
}

impl Socket {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        fields.next()?.strip_suffix(':')?;
        let local = address(fields.next()?)?;
        let remote = address(fields.next()?)?;
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        // Queues, timer and retransmissions stand between.
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Self { local, remote, state, uid, inode })
    }
}

/// `0100007F:1F90` is 127.0.0.1:8080: words of 32 bits, each as this machine has it in memory.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (digits, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |number: usize| {
        let digits = digits.get(number * 8..number * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match digits.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let bytes: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => return None,
    };
    Some((ip.to_canonical(), port))
}

/// An address without scope; an IPv4 address that IPv6 writes is the IPv4 address.
fn plain(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    /// As a kernel wrote it: listeners of several users on one port, and connections to them.
    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 7001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7002 1 0000000000000000 100 0 0 10 0
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 7003 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 7004 1 0000000000000000 20 4 30 10 -1
   4: 0100007F:1F90 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   5: 0100007F:1F90 0100007F:C352 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000
   6: 070000C0:1F90 070000C0:C353 01 00000000:00000000 00:00000000 00000000  1001        0 7005 1 0000000000000000 20 4 30 10 -1
";
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000   102        0 8001 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C354 01 00000000:00000000 00:00000000 00000000   102        0 8002 1 0000000000000000 20 4 30 10 -1
   2: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C355 01 00000000:00000000 00:00000000 00000000   103        0 8003 1 0000000000000000 20 4 30 10 -1
";

    fn end(table: &str, here: &str, there: &str) -> End {
        find(table, here.parse().unwrap(), there.parse().unwrap())
    }

    #[test]
    fn the_connection_itself_decides() {
        assert_eq!(end(TCP, "127.0.0.1:50000", "127.0.0.1:8080"), End::Accepted(1000));
        assert_eq!(end(TCP, "192.0.0.7:50003", "192.0.0.7:8080"), End::Accepted(1001));
        assert_eq!(end(TCP6, "127.0.0.1:50004", "127.0.0.1:8080"), End::Accepted(102), "an IPv6 listener");
        assert_eq!(end(TCP6, "[::1]:50005", "[::1]:8080"), End::Accepted(103));
        assert_eq!(end(TCP6, "[::ffff:127.0.0.1]:50004", "127.0.0.1:8080"), End::Accepted(102));
    }

    #[test]
    fn what_nobody_has_accepted_belongs_to_nobody() {
        assert_eq!(end(TCP, "127.0.0.1:50001", "127.0.0.1:8080"), End::Waiting, "not root");
        assert_eq!(end(TCP, "127.0.0.1:50002", "127.0.0.1:8080"), End::Unknown, "it is closed");
        for (here, there) in [
            ("127.0.0.1:50009", "127.0.0.1:8080"),
            ("127.0.0.1:8080", "127.0.0.1:50001"),
            ("127.0.0.1:50000", "127.0.0.2:8080"),
            ("127.0.0.1:50000", "127.0.0.1:8081"),
        ] {
            assert_eq!(end(TCP, here, there), End::Unknown, "{here} {there}");
        }
        // Our own end of a connection is not the other end.
        assert_eq!(
            end(TCP, "127.0.0.1:8080", "127.0.0.1:50000"),
            End::Accepted(0),
            "the same from the other side"
        );
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        for line in [
            "",
            "  sl  local_address rem_address   st",
            "0: 0100007F:1F90",
            "0: 0100007F 0100007F:1F90 01 0:0 0:0 0 0 0 1",
            "0: 01:1F90 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 1",
            "0: 0100007F:1F90 0100007F:1F90 XX 00000000:00000000 00:00000000 00000000 0 0 1",
            "0: 0100007F:1F90 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 -1 0 1",
            "0: 0100007é:1F90 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 1",
        ] {
            assert_eq!(Socket::read(line), None, "{line}");
            assert_eq!(end(&format!("head\n{line}\n"), "127.0.0.1:1", "127.0.0.1:8080"), End::Unknown);
        }
    }

    #[test]
    fn the_owner_and_root_may_be_shown_what_is_the_installations() {
        assert!(judge(1000, 1000).is_ok() && judge(0, 1000).is_ok() && judge(0, 0).is_ok());
        let words = |uid, owner| match judge(uid, owner) {
            Err(Refusal::Stranger(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            words(1001, 1000),
            "uid 1001 listens there, and the installation's gateway is run by its owner (uid 1000) or root"
        );
        assert_eq!(words(1001, 0), "uid 1001 listens there, and the installation's gateway is run by root");
    }
}
