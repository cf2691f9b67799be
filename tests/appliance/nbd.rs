//! A disk with a write cache that loses and tears what was not flushed when its power is cut: what cards and cheap
//! drives do, as a server of the NBD protocol (NBD project, doc/proto.md) for QEMU.
//!
//! The image file holds what is durable. Writes are kept apart, in order, until a flush. [`Disk::cut`] lets a random part
//! of them through: some whole, some only in some of their sectors, most not. A sector of 512 octets is written whole or
//! not at all. Bounded: beyond [`UNSYNCED_OCTETS_MAX`] the oldest writes become durable by themselves, as in a drive.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A drive's write cache has a few MiB.
pub const UNSYNCED_OCTETS_MAX: usize = 8 << 20;
/// What a drive writes whole or not at all.
const SECTOR_OCTETS: usize = 512;
/// No request is longer (proto.md, "Block sizes": the default maximum).
const REQUEST_OCTETS_MAX: u32 = 32 << 20;
/// After its client was killed a connection has ended by then.
const END_TIMEOUT: Duration = Duration::from_secs(30);

const NBDMAGIC: u64 = 0x4e42_444d_4147_4943;
const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const REPLY_MAGIC: u64 = 0x3_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// NBD_FLAG_FIXED_NEWSTYLE and NBD_FLAG_NO_ZEROES.
const HANDSHAKE_FLAGS: u16 = 1 | 2;
/// NBD_FLAG_HAS_FLAGS, NBD_FLAG_SEND_FLUSH, NBD_FLAG_SEND_FUA.
const TRANSMISSION_FLAGS: u16 = 1 | 4 | 8;
const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUP: u32 = 0x8000_0001;
const CMD_READ: u16 = 0;
const CMD_WRITE: u16 = 1;
const CMD_DISC: u16 = 2;
const CMD_FLUSH: u16 = 3;
const CMD_FLAG_FUA: u16 = 1;
const EIO: u32 = 5;
const EINVAL: u32 = 22;

/// What a power cut did to the writes that were not flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// These became durable.
    pub kept: usize,
    /// Of these only some sectors did.
    pub torn: usize,
    /// These are lost.
    pub lost: usize,
}

struct Unsynced {
    offset: u64,
    octets: Vec<u8>,
}

impl Unsynced {
    fn end(&self) -> u64 {
        self.offset + self.octets.len() as u64
    }

    fn overlaps(&self, offset: u64, octets: usize) -> bool {
        self.offset < offset + octets as u64 && offset < self.end()
    }
}

struct Cache {
    image: File,
    length: u64,
    unsynced: Vec<Unsynced>,
    unsynced_octets: usize,
    connections: usize,
    fails: bool,
    /// After so many writes it answers nothing.
    writes_left: Option<u64>,
}

impl Cache {
    fn read(&self, offset: u64, octets: &mut [u8]) -> io::Result<()> {
        self.image.read_exact_at(octets, offset)?;
        let length = octets.len();
        for write in self.unsynced.iter().filter(|write| write.overlaps(offset, length)) {
            let from = write.offset.max(offset);
            let to = write.end().min(offset + length as u64);
            let target = &mut octets[(from - offset) as usize..(to - offset) as usize];
            target.copy_from_slice(&write.octets[(from - write.offset) as usize..(to - write.offset) as usize]);
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, octets: Vec<u8>, durable: bool) -> io::Result<()> {
        if durable {
            // What it covers must not come back over it: that becomes durable before it.
            let (before, rest) =
                std::mem::take(&mut self.unsynced).into_iter().partition(|write| write.overlaps(offset, octets.len()));
            self.unsynced = rest;
            self.settle(before)?;
            return self.image.write_all_at(&octets, offset);
        }
        self.unsynced_octets += octets.len();
        self.unsynced.push(Unsynced { offset, octets });
        while self.unsynced_octets > UNSYNCED_OCTETS_MAX {
            let oldest = self.unsynced.remove(0);
            self.settle(vec![oldest])?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let all = std::mem::take(&mut self.unsynced);
        self.settle(all)
    }

    /// Makes writes durable that are in the list no more.
    fn settle(&mut self, writes: Vec<Unsynced>) -> io::Result<()> {
        for write in writes {
            self.unsynced_octets -= write.octets.len();
            self.image.write_all_at(&write.octets, write.offset)?;
        }
        Ok(())
    }

    fn cut(&mut self, seed: u64) -> io::Result<Cut> {
        let mut random = Random(seed);
        // Sometimes nearly all gets through, sometimes hardly anything.
        let (keep, tear) = (random.below(100), random.below(50));
        let mut cut = Cut::default();
        for write in std::mem::take(&mut self.unsynced) {
            self.unsynced_octets -= write.octets.len();
            if random.below(100) < keep {
                self.image.write_all_at(&write.octets, write.offset)?;
                cut.kept += 1;
            } else if write.octets.len() > SECTOR_OCTETS && random.below(100) < tear {
                let sectors = write.octets.len().div_ceil(SECTOR_OCTETS) as u64;
                // Half of them end early, half are full of holes.
                let first = random.below(2 * sectors);
                for (number, sector) in (0..).zip(write.octets.chunks(SECTOR_OCTETS)) {
                    let written = if first < sectors { number < first } else { random.below(2) == 0 };
                    if written {
                        self.image.write_all_at(sector, write.offset + number * SECTOR_OCTETS as u64)?;
                    }
                }
                cut.torn += 1;
            } else {
                cut.lost += 1;
            }
        }
        Ok(cut)
    }
}

/// SplitMix64: the same seed gives the same power cut.
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

/// The disk. It is served until the process ends.
pub struct Disk {
    shared: Arc<Shared>,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

struct Shared {
    cache: Mutex<Cache>,
    ended: Condvar,
}

impl Shared {
    /// Was this the last write that is answered no more?
    fn count_write(&self) -> bool {
        let mut cache = self.cache.lock().unwrap();
        let Some(left) = cache.writes_left.as_mut() else { return false };
        *left = left.saturating_sub(1);
        let is_last = *left == 0;
        drop(cache);
        if is_last {
            self.ended.notify_all();
        }
        is_last
    }
}

impl Disk {
    /// Serves `image` on a socket of its own.
    pub fn serve(image: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(image)?;
        let length = file.metadata()?.len();
        let cache = Cache {
            image: file,
            length,
            unsynced: Vec::new(),
            unsynced_octets: 0,
            connections: 0,
            fails: false,
            writes_left: None,
        };
        let shared = Arc::new(Shared { cache: Mutex::new(cache), ended: Condvar::new() });
        let folder = tempfile::Builder::new().prefix("nbd-").tempdir()?;
        let socket = folder.path().join("disk");
        let listener = UnixListener::bind(&socket)?;
        {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { continue };
                    let shared = Arc::clone(&shared);
                    shared.cache.lock().unwrap().connections += 1;
                    std::thread::spawn(move || {
                        // A killed client ends in the middle of anything: that is what this is for.
                        let _ = converse(stream, &shared);
                        shared.cache.lock().unwrap().connections -= 1;
                        shared.ended.notify_all();
                    });
                }
            });
        }
        Ok(Self { shared, socket, _folder: folder })
    }

    /// As QEMU wants it.
    pub fn url(&self) -> String {
        format!("nbd+unix:///?socket={}", self.socket.display())
    }

    /// From now on every write and every flush fails, and reads go on: a card at the end of its life.
    pub fn fail_writes(&self) {
        self.shared.cache.lock().unwrap().fails = true;
    }

    /// Takes so many writes more and then answers nothing, as if its power were gone, until [`Disk::cut`].
    pub fn stop_after(&self, writes: u64) {
        self.shared.cache.lock().unwrap().writes_left = Some(writes);
    }

    /// Waits until that has happened.
    pub fn wait_until_stopped(&self, timeout: Duration) {
        let cache = self.shared.cache.lock().unwrap();
        let waited =
            self.shared.ended.wait_timeout_while(cache, timeout, |cache| cache.writes_left != Some(0)).unwrap();
        assert!(!waited.1.timed_out(), "the machine writes no more");
    }

    /// Cuts the power, after the machine's: waits until nobody is connected, so that nothing more arrives.
    pub fn cut(&self, seed: u64) -> Cut {
        let cache = self.shared.cache.lock().unwrap();
        let (mut cache, waited) =
            self.shared.ended.wait_timeout_while(cache, END_TIMEOUT, |cache| cache.connections > 0).unwrap();
        assert!(!waited.timed_out(), "someone still uses the disk");
        cache.writes_left = None;
        cache.cut(seed).unwrap()
    }
}

fn u16_of(stream: &mut UnixStream) -> io::Result<u16> {
    let mut octets = [0; 2];
    stream.read_exact(&mut octets).map(|()| u16::from_be_bytes(octets))
}

fn u32_of(stream: &mut UnixStream) -> io::Result<u32> {
    let mut octets = [0; 4];
    stream.read_exact(&mut octets).map(|()| u32::from_be_bytes(octets))
}

fn u64_of(stream: &mut UnixStream) -> io::Result<u64> {
    let mut octets = [0; 8];
    stream.read_exact(&mut octets).map(|()| u64::from_be_bytes(octets))
}

fn octets_of(stream: &mut UnixStream, octets: u32) -> io::Result<Vec<u8>> {
    if octets > REQUEST_OCTETS_MAX {
        return Err(io::Error::other("a request without end"));
    }
    let mut buffer = vec![0; octets as usize];
    stream.read_exact(&mut buffer).map(|()| buffer)
}

fn converse(mut stream: UnixStream, shared: &Shared) -> io::Result<()> {
    if !handshake(&mut stream, shared.cache.lock().unwrap().length)? {
        return Ok(());
    }
    loop {
        if u32_of(&mut stream)? != REQUEST_MAGIC {
            return Err(io::Error::other("no request"));
        }
        let (flags, command) = (u16_of(&mut stream)?, u16_of(&mut stream)?);
        let (handle, offset, octets) = (u64_of(&mut stream)?, u64_of(&mut stream)?, u32_of(&mut stream)?);
        let written = if command == CMD_WRITE { octets_of(&mut stream, octets)? } else { Vec::new() };
        let mut read = Vec::new();
        let outcome = {
            let mut cache = shared.cache.lock().unwrap();
            if cache.writes_left == Some(0) {
                drop(cache);
                // Nothing is answered until the client is gone.
                return io::copy(&mut stream, &mut io::sink()).map(|_| ());
            }
            let fails = cache.fails && command != CMD_READ;
            let inside = offset.checked_add(octets.into()).is_some_and(|end| end <= cache.length);
            match command {
                CMD_DISC => return Ok(()),
                _ if fails => Err(EIO),
                CMD_FLUSH => cache.flush().map_err(|_| EIO),
                CMD_READ if inside && octets <= REQUEST_OCTETS_MAX => {
                    read = vec![0; octets as usize];
                    cache.read(offset, &mut read).map_err(|_| EIO)
                }
                CMD_WRITE if inside => cache.write(offset, written, flags & CMD_FLAG_FUA != 0).map_err(|_| EIO),
                _ => Err(EINVAL),
            }
        };
        if command == CMD_WRITE && shared.count_write() {
            return io::copy(&mut stream, &mut io::sink()).map(|_| ());
        }
        let error = outcome.err().unwrap_or(0);
        let mut reply = [&SIMPLE_REPLY_MAGIC.to_be_bytes()[..], &error.to_be_bytes(), &handle.to_be_bytes()].concat();
        if error == 0 {
            reply.extend(read);
        }
        stream.write_all(&reply)?;
    }
}

/// Fixed newstyle negotiation; `false` if the client wants no more.
fn handshake(stream: &mut UnixStream, length: u64) -> io::Result<bool> {
    stream
        .write_all(&[&NBDMAGIC.to_be_bytes()[..], &IHAVEOPT.to_be_bytes(), &HANDSHAKE_FLAGS.to_be_bytes()].concat())?;
    let no_zeroes = u32_of(stream)? & 2 != 0;
    loop {
        if u64_of(stream)? != IHAVEOPT {
            return Err(io::Error::other("no option"));
        }
        let (option, octets) = (u32_of(stream)?, u32_of(stream)?);
        octets_of(stream, octets)?;
        let mut reply = |kind: u32, data: &[u8]| {
            let head = [&REPLY_MAGIC.to_be_bytes()[..], &option.to_be_bytes(), &kind.to_be_bytes()].concat();
            stream.write_all(&[&head[..], &(data.len() as u32).to_be_bytes(), data].concat())
        };
        // NBD_INFO_EXPORT, and what the old way of asking gets as well.
        let export = [&length.to_be_bytes()[..], &TRANSMISSION_FLAGS.to_be_bytes()].concat();
        match option {
            OPT_EXPORT_NAME => {
                stream.write_all(&export)?;
                stream.write_all(&vec![0; if no_zeroes { 0 } else { 124 }])?;
                return Ok(true);
            }
            OPT_GO | OPT_INFO => {
                reply(REP_INFO, &[&[0, 0], &export[..]].concat())?;
                reply(REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(true);
                }
            }
            OPT_ABORT => {
                reply(REP_ACK, &[])?;
                return Ok(false);
            }
            // Structured replies and the like.
            _ => reply(REP_ERR_UNSUP, &[])?,
        }
    }
}

mod tests {
    use super::*;

    struct Client(UnixStream);

    impl Client {
        fn connect(disk: &Disk) -> (Self, u64) {
            let mut stream = UnixStream::connect(&disk.socket).unwrap();
            assert_eq!((u64_of(&mut stream).unwrap(), u64_of(&mut stream).unwrap()), (NBDMAGIC, IHAVEOPT));
            assert_eq!(u16_of(&mut stream).unwrap(), HANDSHAKE_FLAGS);
            stream.write_all(&3_u32.to_be_bytes()).unwrap();
            // NBD_OPT_STRUCTURED_REPLY is refused, then NBD_OPT_GO for the export without a name.
            for (option, data) in [(8_u32, &[][..]), (OPT_GO, &[0; 6])] {
                let head = [&IHAVEOPT.to_be_bytes()[..], &option.to_be_bytes(), &(data.len() as u32).to_be_bytes()];
                stream.write_all(&[head.concat(), data.to_vec()].concat()).unwrap();
            }
            let mut reply = || {
                assert_eq!(u64_of(&mut stream).unwrap(), REPLY_MAGIC);
                let (option, kind) = (u32_of(&mut stream).unwrap(), u32_of(&mut stream).unwrap());
                let octets = u32_of(&mut stream).unwrap();
                (option, kind, octets_of(&mut stream, octets).unwrap())
            };
            assert_eq!(reply(), (8, REP_ERR_UNSUP, vec![]));
            let (option, kind, export) = reply();
            assert_eq!((option, kind), (OPT_GO, REP_INFO));
            assert_eq!(reply(), (OPT_GO, REP_ACK, vec![]));
            (Self(stream), u64::from_be_bytes(export[2..10].try_into().unwrap()))
        }

        fn ask(&mut self, command: u16, flags: u16, offset: u64, octets: u32, data: &[u8]) -> u32 {
            let head = [&REQUEST_MAGIC.to_be_bytes()[..], &flags.to_be_bytes(), &command.to_be_bytes()].concat();
            let place = [&7_u64.to_be_bytes()[..], &offset.to_be_bytes(), &octets.to_be_bytes()].concat();
            self.0.write_all(&[&head, &place, data].concat()).unwrap();
            assert_eq!(u32_of(&mut self.0).unwrap(), SIMPLE_REPLY_MAGIC);
            let error = u32_of(&mut self.0).unwrap();
            assert_eq!(u64_of(&mut self.0).unwrap(), 7);
            error
        }

        fn write(&mut self, offset: u64, data: &[u8], flags: u16) {
            assert_eq!(self.ask(CMD_WRITE, flags, offset, data.len() as u32, data), 0);
        }

        fn read(&mut self, offset: u64, octets: u32) -> Vec<u8> {
            assert_eq!(self.ask(CMD_READ, 0, offset, octets, &[]), 0);
            octets_of(&mut self.0, octets).unwrap()
        }
    }

    fn disk(octets: u64) -> (tempfile::NamedTempFile, Disk) {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(octets).unwrap();
        let disk = Disk::serve(image.path()).unwrap();
        (image, disk)
    }

    #[test]
    fn what_was_flushed_outlives_a_cut_and_the_rest_is_whole_sectors() {
        let mut seen = Cut::default();
        for seed in 0..50 {
            let (image, disk) = disk(1 << 20);
            let (mut client, length) = Client::connect(&disk);
            assert_eq!(length, 1 << 20);
            client.write(0, &[1; 4096], 0);
            assert_eq!(client.ask(CMD_FLUSH, 0, 0, 0, &[]), 0);
            client.write(4096, &[2; 4096], CMD_FLAG_FUA);
            for place in 0..8 {
                client.write(place * 4096, &[3; 4096], 0);
            }
            // The latest write over those before: durable whatever happens to them.
            client.write(512, &[4; 512], CMD_FLAG_FUA);
            assert_eq!(client.read(0, 1024), [[3; 512], [4; 512]].concat());
            assert_eq!(client.ask(CMD_WRITE, 0, length, 512, &[0; 512]), EINVAL);
            drop(client);
            let cut = disk.cut(seed);
            assert_eq!(cut.kept + cut.torn + cut.lost, 7, "the first of the eight was settled by the last");
            seen = Cut { kept: seen.kept + cut.kept, torn: seen.torn + cut.torn, lost: seen.lost + cut.lost };
            let octets = std::fs::read(image.path()).unwrap();
            for (number, sector) in octets[..64 * 512].chunks(512).enumerate() {
                assert!(sector.iter().all(|octet| *octet == sector[0]), "sector {number} is torn");
                let allowed: &[u8] = match number {
                    1 => &[4],
                    0..8 => &[3],
                    8..16 => &[2, 3],
                    _ => &[0, 3],
                };
                assert!(allowed.contains(&sector[0]), "sector {number} holds {}", sector[0]);
            }
            assert_eq!(disk.cut(seed), Cut::default());
        }
        assert!(seen.kept > 50 && seen.torn > 20 && seen.lost > 50, "{seen:?}");
    }

    #[test]
    fn the_cache_is_bounded_and_read_through() {
        let (image, disk) = disk(16 << 20);
        let (mut client, _) = Client::connect(&disk);
        let piece = vec![9; 1 << 20];
        for number in 0..10 {
            client.write(number << 20, &piece, 0);
        }
        assert!(client.read(0, 10 << 20).iter().all(|octet| *octet == 9));
        let octets = std::fs::read(image.path()).unwrap();
        assert!(octets[..2 << 20].iter().all(|octet| *octet == 9) && octets[2 << 20..].iter().all(|octet| *octet == 0));
    }
}
