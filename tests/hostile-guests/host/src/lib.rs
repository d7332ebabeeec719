//! Abuses host calls and resources.

/// Takes what it can.
#[longshore_guest::action(package = "hostile:host@0.1.0", interface = "resources")]
pub mod resources {
    /// Carries out the attack: what it got hold of, or how it was refused. Most never come back.
    pub fn attack(name: String) -> Result<String, String> {
        let attack = longshore_hostile::Resources::named(&name).ok_or("no such attack")?;
        crate::deeds::carry_out(attack)
    }
}

/// The attacks.
mod deeds {
    use std::hint::black_box;
    use std::io::{Read as _, Write};

    use longshore_guest::{log, spans::Span};
    use longshore_hostile::Resources;
    use wasip2::cli::stdout::get_stdout;
    use wasip2::clocks::monotonic_clock;
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    use wasip2::http::types::Fields;
    use wasip2::io::poll::{Pollable, poll};
    use wasip2::io::streams::{InputStream, OutputStream, StreamError};

    #[link(wasm_import_module = "wasi:io/streams@0.2.12")]
    unsafe extern "C" {
        #[link_name = "[method]output-stream.write"]
        fn raw_write(stream: i32, bytes: usize, length: usize, result: *mut u8);
        #[link_name = "[resource-drop]output-stream"]
        fn raw_drop(stream: i32);
    }

    pub(crate) fn carry_out(attack: Resources) -> Result<String, String> {
        match attack {
            Resources::Memory => memory(),
            Resources::OwnStack => Ok(deeper(0).to_string()),
            Resources::Spin => loop {
                black_box(0);
            },
            Resources::SpinAroundCalls => loop {
                black_box(get_stdout());
            },
            Resources::BulkMemory => bulk_memory(),
            Resources::HostHandles => host_handles(),
            Resources::Headers => headers(),
            Resources::Pollables => pollables(),
            Resources::DroppedHandle => dropped_handle(),
            Resources::ForgedHandle => forged_handle(),
            Resources::ChildBeforeParent => child_before_parent(),
            Resources::DropTwice => drop_twice(),
            Resources::StdoutFlood => flood(&mut std::io::stdout()),
            Resources::StderrFlood => flood(&mut std::io::stderr()),
            Resources::LogFlood => loop {
                log::info!("flood");
            },
            Resources::LogOne => log_one(),
            Resources::SpanFlood => loop {
                drop(Span::open("flood"));
            },
            Resources::ZeroesFlood => zeroes_flood(),
            Resources::RandomFlood => {
                Ok(format!("{} bytes", wasip2::random::random::get_random_bytes(4 << 30).len()))
            }
            Resources::ReadAtOnce => read_at_once(),
            Resources::StdinEnd => stdin_end(),
            Resources::HugeWrite => huge_write(),
            Resources::Sleep => {
                std::thread::sleep(std::time::Duration::from_nanos(u64::MAX));
                Ok("slept".to_owned())
            }
            Resources::SleepInPoll => {
                let never = monotonic_clock::subscribe_instant(u64::MAX);
                let later = monotonic_clock::subscribe_duration(u64::MAX - 1);
                Ok(format!("{:?}", poll(&[&never, &later])))
            }
            Resources::Exit => std::process::exit(3),
            // These are components of their own, in `wat/`.
            Resources::MemoryAtOnce
            | Resources::Memories
            | Resources::Stack
            | Resources::Table
            | Resources::Tables
            | Resources::Instances
            | Resources::SpinInStart
            | Resources::SpinInRealloc
            | Resources::SpinInPostReturn
            | Resources::TrapInStart
            | Resources::OwnHandles => Err("not here".to_owned()),
        }
    }

    fn memory() -> Result<String, String> {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    fn bulk_memory() -> Result<String, String> {
        let mut block = vec![0u8; 200 << 20];
        for byte in (0..=u8::MAX).cycle() {
            block.fill(byte);
            black_box(&block);
        }
        Ok("filled for ever".to_owned())
    }

    fn host_handles() -> Result<String, String> {
        let mut kept = Vec::new();
        loop {
            kept.push(get_stdout());
        }
    }

    fn headers() -> Result<String, String> {
        let (mut kept, value) = (Vec::new(), vec![b'v'; 4_000]);
        loop {
            let fields = Fields::new();
            for n in 0..15 {
                fields.append(&format!("x-{n}"), &value).map_err(|e| format!("{e:?}"))?;
            }
            kept.push(fields);
        }
    }

    fn pollables() -> Result<String, String> {
        let one = monotonic_clock::subscribe_duration(0);
        let many: Vec<&Pollable> = std::iter::repeat_n(&one, 1_000_000).collect();
        Ok(format!("{} ready", poll(&many).len()))
    }

    fn dropped_handle() -> Result<String, String> {
        let stream = get_stdout();
        let handle = stream.handle();
        drop(stream);
        // SAFETY: none: the handle is gone, which is the attack; the host has to see it.
        let stream = unsafe { OutputStream::from_handle(handle) };
        Ok(format!("{:?}", stream.check_write()))
    }

    fn forged_handle() -> Result<String, String> {
        // SAFETY: none: the handle was never given, which is the attack; the host has to see it.
        let stream = unsafe { OutputStream::from_handle(4_711) };
        Ok(format!("{:?}", stream.check_write()))
    }

    fn child_before_parent() -> Result<String, String> {
        let stream = get_stdout();
        let ready = stream.subscribe();
        let handle = stream.take_handle();
        // SAFETY: it is our own handle; that a child of it lives is the attack.
        unsafe { raw_drop(handle.cast_signed()) };
        Ok(format!("{} ready", poll(&[&ready]).len()))
    }

    fn drop_twice() -> Result<String, String> {
        let handle = get_stdout().take_handle().cast_signed();
        // SAFETY: it is our own handle.
        unsafe { raw_drop(handle) };
        // SAFETY: none: it is gone, which is the attack; the host has to see it.
        unsafe { raw_drop(handle) };
        Ok("dropped twice".to_owned())
    }

    fn zeroes_flood() -> Result<String, String> {
        let stdout = get_stdout();
        loop {
            let room = stdout.check_write().map_err(|e| e.to_string())?;
            stdout.write_zeroes(room).map_err(|e| e.to_string())?;
        }
    }

    fn stdin_end() -> Result<String, String> {
        let mut first = String::new();
        std::io::stdin().read_to_string(&mut first).map_err(|e| e.to_string())?;
        let mut more = 0;
        for _ in 0..10_000 {
            more += std::io::stdin().read(&mut [0; 64]).map_err(|e| e.to_string())?;
        }
        if more == 0 { Err(format!("{} bytes, then the end", first.len())) } else { Ok(first) }
    }

    fn huge_write() -> Result<String, String> {
        let stream = get_stdout();
        let mut result = [0u8; 16];
        let handle = stream.handle().cast_signed();
        // SAFETY: none: the list reaches past the end of memory, which is the attack; the host has to see it.
        unsafe { raw_write(handle, 1024, u32::MAX as usize - 1024, result.as_mut_ptr()) };
        Ok("written".to_owned())
    }

    fn log_one() -> Result<String, String> {
        let line = "x".repeat(60 << 20);
        log::write(log::Level::Info, &line, &[]);
        Ok("logged".to_owned())
    }

    #[inline(never)]
    #[allow(unconditional_recursion, reason = "the host ends it")]
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        deeper(depth + 1).wrapping_add(black_box(frame)[7])
    }

    fn flood(to: &mut dyn Write) -> Result<String, String> {
        loop {
            to.write_all(&[b'x'; 4096]).map_err(|error| error.to_string())?;
        }
    }

    /// Every way to ask for bytes, and as many as a number can say.
    fn read_at_once() -> Result<String, String> {
        let read = |from: &InputStream, how: fn(&InputStream) -> Result<u64, StreamError>| {
            how(from).map_or_else(|error| error.to_string(), |n| n.to_string())
        };
        let ways: [fn(&InputStream) -> Result<u64, StreamError>; 4] = [
            |from| from.read(u64::MAX).map(|bytes| bytes.len() as u64),
            |from| from.blocking_read(u64::MAX).map(|bytes| bytes.len() as u64),
            |from| from.skip(u64::MAX),
            |from| from.blocking_skip(u64::MAX),
        ];
        let stdin = wasip2::cli::stdin::get_stdin();
        let mut told: Vec<String> = ways.iter().map(|how| read(&stdin, *how)).collect();
        let (dir, _) = get_directories().pop().ok_or("no directory")?;
        let file = dir
            .open_at(PathFlags::empty(), "large", OpenFlags::empty(), DescriptorFlags::READ)
            .map_err(|code| code.name().to_owned())?;
        for how in ways {
            let stream = file.read_via_stream(0).map_err(|code| code.name().to_owned())?;
            told.push(read(&stream, how));
        }
        let (bytes, _) = file.read(u64::MAX, 0).map_err(|code| code.name().to_owned())?;
        told.push(bytes.len().to_string());
        Err(told.join(", "))
    }
}
