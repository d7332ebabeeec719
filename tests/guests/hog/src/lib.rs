//! Takes more than its share, in every way that a host must bound.

/// Takes more than its share.
#[longshore_guest::action(package = "fixtures:hog@0.1.0", interface = "hog")]
pub mod hog {
    use std::hint::black_box;

    /// Never returns.
    pub fn spin() {
        let mut n = 0u64;
        loop {
            n = black_box(n.wrapping_add(1));
        }
    }

    /// Takes memory, a mebibyte at a time, until there is none.
    pub fn allocate() -> u64 {
        let mut kept = Vec::new();
        loop {
            kept.push(black_box(vec![1u8; 1 << 20]));
        }
    }

    /// Calls itself until the stack ends.
    pub fn recurse() -> u64 {
        deeper(0)
    }

    /// Traps three calls deep: `outer_frame`, `middle_frame`, `inner_frame`.
    pub fn trap() -> u32 {
        outer_frame(black_box(1))
    }

    /// Panics with a message.
    pub fn panic(message: String) {
        panic!("{message}");
    }

    /// Writes `count` bytes `o` to stdout.
    pub fn print(count: u64) {
        fill(&mut std::io::stdout(), b'o', count);
    }

    /// Writes `count` bytes `e` to stderr.
    pub fn print_error(count: u64) {
        fill(&mut std::io::stderr(), b'e', count);
    }

    /// Returns a list of `count` numbers.
    pub fn many(count: u32) -> Vec<u64> {
        (0..u64::from(count)).collect()
    }

    /// Returns a text of `count` bytes.
    pub fn long(count: u32) -> String {
        "x".repeat(count as usize)
    }

    /// Sleeps, as the host's clock counts.
    pub fn sleep(milliseconds: u64) {
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    }

    /// Ends the process in the middle of a call.
    pub fn exit() {
        std::process::exit(3);
    }

    #[inline(never)]
    #[allow(unconditional_recursion, reason = "the host ends it")]
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        deeper(depth + 1).wrapping_add(black_box(frame)[7])
    }

    #[inline(never)]
    fn outer_frame(n: u32) -> u32 {
        black_box(middle_frame(black_box(n)) + 1)
    }

    #[inline(never)]
    fn middle_frame(n: u32) -> u32 {
        black_box(inner_frame(black_box(n)) + 1)
    }

    #[inline(never)]
    fn inner_frame(n: u32) -> u32 {
        if black_box(n) > 0 {
            #[cfg(target_family = "wasm")]
            core::arch::wasm32::unreachable();
        }
        n
    }

    fn fill(to: &mut dyn std::io::Write, byte: u8, count: u64) {
        let block = [byte; 4096];
        let mut left = count;
        while left > 0 {
            let now = left.min(block.len() as u64) as usize;
            // A host that has had enough closes the stream; that is its right.
            if to.write_all(&block[..now]).is_err() {
                return;
            }
            left -= now as u64;
        }
        let _ = to.flush();
    }
}
