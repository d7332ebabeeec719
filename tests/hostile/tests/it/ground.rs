//! The ground that attacks are carried out on: one host for each way of allocating, kept for all attacks, so that what one of them
//! leaves behind is seen; a neighbour that works meanwhile; and the footprint of the process before and after.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore::engine::{Allocation, Answer, Resolve, Resolver};
use longshore::model::{Denied, Event, FaultKind, LimitName, Outcome};
use longshore::policy::Policy;
use longshore::{Longshore, Request, Target};
use longshore_test_support::{guests, workspace};
use tokio::runtime::Runtime;

use crate::artifacts::wat;
use crate::stage::{Ran, Stage, allow, ask, both, ceiling};

/// The longest that an attack may take before we say that it hung the host.
const HANGS: Duration = Duration::from_secs(60);
/// What a process may hold more after attacks than before, in bytes: allocators keep some of what is freed, even when asked not to.
const SLACK: u64 = 24 << 20;
/// How often each attack is repeated once the host is warm.
const REPEATS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    give_back();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Threads that wait for work end soon, so that one that never ends is seen.
    builder.worker_threads(2).enable_all().thread_keep_alive(Duration::from_millis(200));
    builder.build().unwrap()
});
static GROUNDS: LazyLock<[Ground; 2]> = LazyLock::new(|| {
    // Built before anything is timed.
    GUESTS.iter().for_each(|name| drop(built(name)));
    [Allocation::OnDemand, Allocation::Pooling]
        .map(|allocation| Ground { allocation, stage: stage(allocation) })
});
/// A host that keeps buckets and containers in its home.
fn stage(allocation: Allocation) -> Stage {
    let home = tempfile::tempdir().unwrap();
    let (keys, blobs) = crate::stores::stores(home.path());
    Stage::at(home, |builder| {
        let builder = builder.allocation(allocation).keyvalue(keys).blobstore(blobs);
        let builder = builder.resolver(Resolver::new(Liar::default()));
        builder.vault(Arc::new(crate::secrets::Kept))
    })
}

/// The footprint is the whole process's: attacks go one by one.
static ALONE: Mutex<()> = Mutex::new(());

/// The resolver of the grounds: it knows a few names, and lies about them.
#[derive(Default)]
struct Liar(AtomicU32);

impl Resolve for Liar {
    fn resolve(&self, name: String) -> Answer {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        let found: &[&str] = match name.as_str() {
            "loopback.test" => &["127.0.0.1"],
            "mixed.test" => &["1.1.1.1", "127.0.0.1"],
            "metadata.test" => &["169.254.169.254"],
            // Never the same twice, and never where it may go.
            "rebound.test" => {
                [&["127.0.0.1"][..], &["1.1.1.1", "::1"], &["10.0.0.1"]][asked as usize % 3]
            }
            _ => return Box::pin(async { Err(std::io::ErrorKind::NotFound.into()) }),
        };
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }
}

/// A host to attack.
pub(crate) struct Ground {
    pub(crate) allocation: Allocation,
    pub(crate) stage: Stage,
}

impl Ground {
    /// The guest in `tests/hostile-guests/<name>`: as it was built on one ground, and on the other asking for the oldest version
    /// of every interface of WASI, so that no attack goes another way through an older door.
    pub(crate) fn guest(&self, name: &str) -> Target {
        let bytes = match self.allocation {
            Allocation::OnDemand => built(name),
            Allocation::Pooling => older(name),
        };
        self.stage.file(&format!("{name}.wasm"), bytes)
    }

    /// The guest in `tests/hostile-guests/wat/<name>.wat`.
    pub(crate) fn text(&self, name: &str) -> Target {
        let path = workspace().join("tests/hostile-guests/wat").join(format!("{name}.wat"));
        let text = std::fs::read_to_string(&path).unwrap();
        self.component(name, &text)
    }

    /// A component that was made up.
    pub(crate) fn component(&self, name: &str, text: &str) -> Target {
        self.stage.file(&format!("{name}.wasm"), wat(text))
    }

    /// Runs the operation `attack`, compiled before its clock runs.
    pub(crate) async fn run(&self, request: &Request) -> Ran {
        let prepared = self.stage.host.prepare(&request.target, &request.allow).await;
        prepared.unwrap_or_else(|error| panic!("{error:#?}"));
        let report = self.stage.host.request(request).await.unwrap_or_else(|e| panic!("{e:#?}"));
        self.stage.sealed_busy(report).await
    }
}

/// The guests in Rust.
const GUESTS: [&str; 8] =
    ["paths", "host", "http", "sockets", "secrets", "programs", "probes", "stores"];

fn built(name: &str) -> Vec<u8> {
    let folder = workspace().join("tests/hostile-guests").join(name);
    std::fs::read(guests::build_in(&folder, &format!("hostile-{name}"))).unwrap()
}

/// The same guest, with the oldest version in the name of each interface of WASI that it imports.
fn older(name: &str) -> Vec<u8> {
    static OLDER: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut known = OLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let text = wasmprinter::print_bytes(built(name)).unwrap();
        // Modules within import by such names too, but functions and not instances.
        let (mut parts, mut changed) = (text.split("(import \"wasi:"), 0);
        let mut older = parts.next().unwrap().to_owned();
        for part in parts {
            older.push_str("(import \"wasi:");
            match part.split_once('"') {
                Some((import, rest)) if rest.starts_with(" (instance") => {
                    let (interface, version) = import.split_once('@').unwrap();
                    assert!(version.starts_with("0.2."), "{import}");
                    // A draft is a version of its own, and there is none before it.
                    if version.contains('-') {
                        older.push_str(part);
                        continue;
                    }
                    older.push_str(&format!("{interface}@0.2.0\"{rest}"));
                    changed += 1;
                }
                _ => older.push_str(part),
            }
        }
        assert!(changed > 5, "it imports nothing that could be older");
        wat(&older)
    };
    known.entry(name.to_owned()).or_insert_with(make).clone()
}

/// It is refused as a component that cannot run here, before anything runs.
pub(crate) async fn turned_away(ground: &Ground, request: &Request, why: &str) {
    let error = ground.stage.host.request(request).await.expect_err("it must not run");
    assert_eq!(error.code(), "LS-ENG-004", "{error:#?}");
    assert!(error.to_string().contains(why), "{error}");
}

/// A request for the operation `attack`.
pub(crate) fn attack(target: &Target, input: &str, policy: Policy) -> Request {
    ask(target, "attack", input).allow(policy)
}

/// What guests that use everything import, and a deadline that tests need not wait long for.
pub(crate) fn everything(deadline_ms: u64) -> Policy {
    both(
        allow(&["clock", "random", "http=https://example.com"]),
        ceiling(LimitName::DeadlineMs, deadline_ms),
    )
}

/// The call was stopped by a fault of `kind` with this stable code and no limit.
pub(crate) fn stopped(ran: &Ran, kind: FaultKind, code: &str) {
    let fault = ran.fault();
    assert_eq!((fault.kind, fault.kind.code(), fault.limit), (kind, code, None), "{fault:#?}");
}

/// The guest came back and tells how it was refused.
pub(crate) fn refused(ran: &Ran, how: &str) {
    assert_eq!(told(ran), how);
}

/// The denials that the journal holds.
pub(crate) fn denials(ran: &Ran) -> Vec<&Denied> {
    ran.events()
        .filter_map(|event| if let Event::Denied(denied) = event { Some(denied) } else { None })
        .collect()
}

/// What the guest, which was refused, tells.
pub(crate) fn told(ran: &Ran) -> String {
    match &ran.report.outcome {
        Outcome::Failed(told) => told.read().unwrap(),
        other => panic!("it was not refused: {other:#?}"),
    }
}

/// Carries out `attack` on both grounds, with a neighbour at work, and then again and again: it must end as `attack` asserts, and
/// nothing may be left of it.
pub(crate) fn prove<F: Future<Output = ()>>(attack: impl Fn(&'static Ground) -> F) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    RUNTIME.block_on(async {
        for ground in GROUNDS.iter() {
            let neighbour = Neighbour::start(ground.stage.host.clone(), ground.stage.files());
            let once = || async {
                let ended = tokio::time::timeout(HANGS, attack(ground)).await;
                ended.expect("the host hangs");
            };
            once().await;
            neighbour.thrived().await;
            let before = Footprint::at_rest().await;
            for _ in 0..REPEATS {
                once().await;
            }
            before.restored().await;
        }
    });
}

/// A well-behaved component on the same host, called again and again.
struct Neighbour {
    task: tokio::task::JoinHandle<Result<(), String>>,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU32>,
}

const NEIGHBOUR: &str = r#"(component
  (core module $m (func (export "double") (param i32) (result i32)
    (i32.mul (local.get 0) (i32.const 2))))
  (core instance $i (instantiate $m))
  (func (export "double") (param "n" u32) (result u32) (canon lift (core func $i "double"))))"#;

impl Neighbour {
    fn start(host: Longshore, files: &Path) -> Self {
        let path = files.join("neighbour.wasm");
        std::fs::write(&path, wat(NEIGHBOUR)).unwrap();
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&served));
        let task = tokio::spawn(async move {
            let request = ask(&Target::File(path), "double", "[21]");
            while !stopped.load(Ordering::Relaxed) || counted.load(Ordering::Relaxed) == 0 {
                let report = host.request(&request).await.map_err(|e| format!("{e:?}"))?;
                match &report.outcome {
                    Outcome::Ok(json) if json.as_str() == "42" => {}
                    other => return Err(format!("{other:?}")),
                }
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        });
        Self { task, stop, served }
    }

    /// Whether it was served all the while.
    async fn thrived(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = tokio::time::timeout(HANGS, &mut self.task).await;
        let ended = ended.expect("the neighbour hangs").expect("the neighbour's task ends");
        assert_eq!(ended, Ok(()), "the neighbour was harmed");
        assert!(self.served.load(Ordering::Relaxed) > 0);
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks the allocator for what it holds and nobody uses: what a thread freed stays in its arena otherwise, and looks like a leak.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, from any thread; what is in use it does not touch.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has the allocator give large blocks back at once. Left to itself it keeps the largest that it ever freed, up to 32 MiB for
/// each thread.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for option in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it changes what the allocator does from now on, and nothing that it gave out.
        let done = unsafe { libc::mallopt(option, 1 << 20) };
        assert_eq!(done, 1);
    }
}

/// What this process holds.
#[derive(Clone, Copy, Debug)]
struct Footprint {
    resident: u64,
    files: usize,
    threads: usize,
}

impl Footprint {
    fn now() -> Self {
        trim();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        let count = |folder| std::fs::read_dir(folder).unwrap().count();
        let (files, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
        Self { resident: kib << 10, files, threads }
    }

    /// The footprint once threads that wait for work have ended.
    async fn at_rest() -> Self {
        let mut last = Self::now();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = Self::now();
            if now.threads >= last.threads && now.files >= last.files {
                return now;
            }
            last = now;
        }
        last
    }

    /// Waits until the process holds no more than this.
    async fn restored(self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now();
            let fine = now.files <= self.files
                && now.threads <= self.threads
                && now.resident <= self.resident + SLACK;
            if fine {
                return;
            }
            assert!(Instant::now() < until, "left behind: {now:?}, before: {self:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
