//! Without a network, and with a cache that is damaged.

use longshore_test_support::servers;

use crate::artifacts::answer;
use crate::desk::{Desk, files};

#[test]
fn offline_what_ran_once_runs_again_and_nothing_else_does() {
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    let reference = format!("{}/team/answer:1.0.0", registry.address());
    desk.does(&["publish", "answer.wasm", &reference, "--key", "publisher.key"]);
    let run = ["run", &reference, "--key", "publisher.pub"];
    let offline = [&run[..], &["--offline"]].concat();
    let refused = desk.refuses(5, "LS-REG-026", &offline);
    assert!(refused.message().contains("offline"), "{}", refused.message());
    assert_eq!(desk.does(&run), "42\n");

    drop(registry);
    desk.refuses(5, "LS-REG-004", &run);
    assert_eq!(desk.does(&offline), "42\n");
    let said =
        crate::desk::Said::of(desk.longshore(&run).env("LONGSHORE_OFFLINE", "1").output().unwrap());
    assert_eq!((said.status, said.stdout.as_str()), (Some(0), "42\n"));
    // Trust is asked again, from what was kept.
    desk.key("stranger");
    let other = ["run", &reference, "--key", "stranger.pub", "--offline"];
    desk.refuses(3, "LS-TRU-002", &other);
    // A digest needs no registry.
    let digest = desk.document(&offline);
    assert_eq!(digest["outcome"]["ok"], 42);
    desk.every_run_is_closed();
}

#[test]
fn a_damaged_cache_is_noticed_and_mended() {
    let (desk, registry) = (Desk::new(), servers::embedded_registry());
    desk.write("answer.wasm", answer());
    desk.key("publisher");
    let reference = format!("{}/team/answer:1.0.0", registry.address());
    desk.does(&["publish", "answer.wasm", &reference, "--key", "publisher.key"]);
    let run = ["run", &reference, "--key", "publisher.pub"];
    assert_eq!(desk.does(&run), "42\n");
    let cached = files(&desk.state().join("cache"));
    assert!(cached.len() >= 4, "blob, manifest, tag, signatures, code: {cached:?}");
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 3] = [
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        |bytes| bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55),
    ];
    for path in &cached {
        for damage in damages {
            let Ok(mut bytes) = std::fs::read(path) else { continue };
            damage(&mut bytes);
            std::fs::write(path, &bytes).unwrap();
            let said = desk.run(&run);
            assert_eq!((said.status, said.stdout.as_str()), (Some(0), "42\n"), "{path:?}: {said}");
        }
    }
    // With the network gone, a damaged component is not run and not mistaken for an absent one.
    drop(registry);
    let blobs = files(&desk.state().join("cache/oci/blobs"));
    let blob = blobs.iter().find(|path| std::fs::read(path).is_ok_and(|b| b == answer())).unwrap();
    let mut bytes = std::fs::read(blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(blob, bytes).unwrap();
    let said = desk.run(&[&run[..], &["--offline"]].concat());
    assert_eq!(said.status, Some(5), "{said}");
    assert!(said.stderr.contains("error[LS-REG-027]: "), "{said}");
}
