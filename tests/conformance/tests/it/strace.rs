//! Seen from outside: what the process opens and connects to once a guest's code is loaded, by the system's own account. It is
//! the grant, the state folder and nothing else, whatever the guest tries.

use std::path::Path;

use longshore_test_support::{guests, http::StaticSite, tools, workspace};

use crate::artifacts::guest;
use crate::desk::{Desk, Said};

/// One system call, as strace writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    name: String,
    text: String,
    /// The first path that it names.
    path: Option<String>,
    failed: bool,
}

impl Call {
    /// A line of `strace -f`: the process, the call, its result; or the beginning of a call that another thread's interrupts.
    fn read(line: &str) -> Option<Self> {
        let (_, call) = line.trim_start().split_once(' ')?;
        let (name, rest) = call.trim_start().split_once('(')?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain.then_some(())?;
        let path = rest.split('"').nth(1).map(str::to_owned);
        let failed = rest.rsplit_once(" = ").is_some_and(|(_, result)| result.starts_with('-'));
        Some(Self { name: name.to_owned(), text: call.to_owned(), path, failed })
    }

    /// Whether its path is looked up below a folder that is open, never from the root or the working folder.
    fn is_beneath(&self) -> bool {
        !self.text.contains("(AT_FDCWD") && self.path.as_ref().is_some_and(|p| !p.starts_with('/'))
    }

    /// Whether it speaks to another machine or process.
    fn speaks(&self) -> bool {
        ["connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"]
            .contains(&self.name.as_str())
    }
}

/// Runs `longshore` under strace twice, the second time with the code compiled before: what it said, and its calls since the
/// code was opened. None means: skip.
fn traced(desk: &Desk, arguments: &[&str]) -> Option<(Said, Vec<Call>)> {
    let strace = tools::find("strace")?;
    desk.run(arguments);
    let log = desk.path().join("strace.log");
    let plain = desk.longshore(arguments);
    let mut command = std::process::Command::new(strace);
    command.args(["-f", "-qq", "-s", "4096", "-e", "trace=%file,%network", "-o"]).arg(&log);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(desk.at(""));
    command.env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = Said::of(command.output().unwrap());
    if said.stderr.contains("PTRACE") || said.stderr.contains("ptrace(") {
        tools::skip("strace may not trace here");
        return None;
    }
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let calls: Vec<_> = text.lines().filter_map(Call::read).collect();
    let code = |call: &Call| call.path.as_ref().is_some_and(|path| path.ends_with(".cwasm"));
    let loaded = calls.iter().rposition(code).unwrap_or_else(|| panic!("no code: {said}\n{text}"));
    Some((said, calls[loaded + 1..].to_vec()))
}

/// Nothing is opened, looked at or changed but the state folder, `data` and what lies below it, and what every process needs.
fn stays_inside(desk: &Desk, calls: &[Call]) {
    let (state, data) = (desk.state(), desk.at("data"));
    for call in calls {
        // Asking where one stands opens nothing.
        let Some(path) = call.path.as_deref().filter(|_| call.name != "getcwd") else { continue };
        let own = |folder: &Path| Path::new(path).starts_with(folder);
        let above = state.starts_with(path) && call.name.contains("stat");
        let granted =
            own(&data) || path == "./data" || path == "data" || path.starts_with("./data/");
        // An empty path is an open file itself; the mapped code is opened anew through its own descriptor.
        let process = path.is_empty() || path.starts_with("/proc/self/fd/") && !call.is_beneath();
        let process = process || ["/dev/urandom", "/proc/self/maps"].contains(&path);
        let climbs = Path::new(path).components().any(|c| c.as_os_str() == "..");
        let beneath = call.is_beneath() && (!climbs || call.failed);
        assert!(
            own(&state) || above || granted || process || beneath,
            "`{path}` is neither granted nor the host's own: {call:#?}"
        );
    }
}

#[test]
fn a_guest_that_reads_its_folder_opens_that_and_no_more() {
    let desk = Desk::new();
    desk.write("info.wasm", guest("host-info"));
    desk.write("data/a.txt", "hello");
    let run = [
        "run",
        "info.wasm",
        "-f",
        "read-file",
        "--input",
        "[\"/data/a.txt\"]",
        "--allow",
        "clock",
        "--allow",
        "random",
        "--allow",
        "http=http://example.com",
        "--allow",
        "dir=/data=./data:rw",
    ];
    let Some((said, calls)) = traced(&desk, &run) else { return };
    assert_eq!(said.status, Some(0), "{said}");
    let opened = |call: &Call| call.path.as_deref() == Some("a.txt") && !call.failed;
    assert!(calls.iter().any(opened), "the trace shows what was read: {calls:#?}");
    stays_inside(&desk, &calls);
    assert!(!calls.iter().any(Call::speaks), "{calls:#?}");
}

#[test]
fn a_guest_that_tries_to_leave_its_folder_makes_the_host_open_nothing_outside() {
    let desk = Desk::new();
    let folder = workspace().join("tests/hostile-guests/paths");
    desk.write("paths.wasm", std::fs::read(guests::build_in(&folder, "hostile-paths")).unwrap());
    desk.write("data/inside.txt", "inside");
    desk.write("data/inner/deep.txt", "deep");
    desk.write("secret.txt", "the secret");
    for (target, name) in [
        ("../secret.txt", "planted-up"),
        ("/etc/passwd", "planted-absolute"),
        ("..", "planted-dir"),
        ("/proc", "proc-link"),
        ("/dev/null", "planted-null"),
        ("/dev/tty", "planted-tty"),
    ] {
        std::os::unix::fs::symlink(target, desk.at("data").join(name)).unwrap();
    }
    for attack in
        ["climb", "absolute", "link_out", "link_planted", "proc_self", "device", "hard_link_out"]
    {
        let input = format!("[\"{attack}\"]");
        let run = [
            "run",
            "paths.wasm",
            "-f",
            "attack",
            "--input",
            &input,
            "--allow",
            "clock",
            "--allow",
            "random",
            "--allow",
            "dir=/data=./data:rw",
        ];
        let Some((said, calls)) = traced(&desk, &run) else { return };
        assert_eq!(said.status, Some(1), "`{attack}` is refused: {said}");
        assert!(!said.to_string().contains("the secret"), "{said}");
        stays_inside(&desk, &calls);
        assert!(!calls.iter().any(Call::speaks), "`{attack}`: {calls:#?}");
    }
}

#[test]
fn a_guest_that_fetches_makes_the_host_connect_to_what_is_granted_and_nothing_else() {
    let desk = Desk::new();
    let (site, other) = (StaticSite::of([("/a", "page")]), StaticSite::of([("/a", "page")]));
    desk.write("info.wasm", guest("host-info"));
    let grant = format!("http=http://{}", site.address());
    for (url, status) in [(site.url("/a"), 0), (other.url("/a"), 1)] {
        let input = format!("[\"{url}\"]");
        let run = [
            "run",
            "info.wasm",
            "-f",
            "http-get",
            "--input",
            &input,
            "--allow",
            "clock",
            "--allow",
            "random",
            "--allow",
            &grant,
        ];
        let Some((said, calls)) = traced(&desk, &run) else { return };
        assert_eq!(said.status, Some(status), "{said}");
        stays_inside(&desk, &calls);
        let port = format!("htons({})", site.address().port());
        let spoken: Vec<_> = calls.iter().filter(|call| call.speaks()).collect();
        let to_site = |call: &&Call| call.name != "connect" || call.text.contains(&port);
        assert!(spoken.iter().all(to_site), "{spoken:#?}");
        assert_eq!(spoken.iter().any(|call| call.name == "connect"), status == 0, "{spoken:#?}");
    }
    assert!(other.requests().is_empty());
}
