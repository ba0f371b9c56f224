//! Waiting for many sockets in one thread, so that the load costs next to nothing beside what it measures.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// Sockets told of at once.
const EVENTS: usize = 256;
/// One read.
const READ_BYTES: usize = 64 * 1024;

pub(crate) struct Poll {
    epoll: OwnedFd,
    scratch: Vec<u8>,
}

impl Poll {
    pub(crate) fn new() -> Self {
        Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            scratch: vec![0; READ_BYTES],
        }
    }

    /// From now on `token` is told when there is something to read.
    pub(crate) fn add(&self, socket: impl AsFd, token: usize) {
        let data = epoll::EventData::new_u64(token as u64);
        epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN).unwrap();
    }

    /// From now on also, or no longer, when it can be written to.
    pub(crate) fn watch_writing(&self, socket: impl AsFd, token: usize, is_wanted: bool) {
        let data = epoll::EventData::new_u64(token as u64);
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, is_wanted);
        epoll::modify(&self.epoll, socket, data, flags).unwrap();
    }

    /// The tokens of which something is to be told, after `patience` at the latest.
    pub(crate) fn wait(&self, patience: Duration) -> Vec<usize> {
        let patience = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap(),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        match epoll::wait(&self.epoll, &mut events, Some(&patience)) {
            Ok((events, _)) => {
                let token = |event: &epoll::Event| usize::try_from(event.data.u64()).unwrap();
                events.iter().map(token).collect()
            }
            Err(rustix::io::Errno::INTR) => Vec::new(),
            Err(error) => panic!("epoll: {error}"),
        }
    }

    /// Hands on all that can be read now. `false`: the other side has ended the connection.
    pub(crate) fn read(&mut self, mut socket: &TcpStream, mut take: impl FnMut(&[u8])) -> bool {
        loop {
            match socket.read(&mut self.scratch) {
                Ok(0) => return false,
                Ok(count) => {
                    take(&self.scratch[..count]);
                    if count < READ_BYTES {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}

/// How long the head at the beginning of these bytes is, once it is whole.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

/// The value of a field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (its_name, value) = line.split_once(':')?;
        its_name.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
