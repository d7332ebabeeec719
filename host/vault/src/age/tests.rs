//! Files that `age` itself wrote (`tests/age`), and what becomes of them when they are changed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/age");
    std::fs::read(folder.join(name)).unwrap()
}

fn opened(name: &str, identity: &str) -> Result<Vec<u8>, Why> {
    open(bytes(name), &identities(&bytes(identity)).unwrap()).map(|plain| plain.to_vec())
}

#[test]
fn what_age_wrote_is_read_by_whom_it_is_for_and_by_nobody_else() {
    for name in ["one.age", "two_recipients.age", "armored.age"] {
        assert_eq!(opened(name, "identity.txt").unwrap(), b"hunter2\n", "{name}");
    }
    assert_eq!(opened("two_recipients.age", "other.txt").unwrap(), b"hunter2\n");
    assert_eq!(opened("empty.age", "identity.txt").unwrap(), b"");
    for (name, identity) in [("one.age", "other.txt"), ("passphrase.age", "identity.txt")] {
        let why = opened(name, identity).unwrap_err();
        assert_eq!(why, "it is for other recipients than this identity", "{name}");
    }
}

#[test]
fn chunks_are_read_to_the_last_and_none_may_be_missing() {
    let identities = identities(&bytes("identity.txt")).unwrap();
    let plain = open(bytes("chunks.age"), &identities).unwrap();
    assert_eq!((plain.len(), plain.last()), (CHUNK + 10, Some(&b'y')));
    let whole = bytes("chunks.age");
    let header = whole.len() - (CHUNK + 10 + 2 * TAG);
    // Without the last chunk, and within it.
    for cut in [header + CHUNK + TAG, whole.len() - 1, header, header - 1] {
        assert_eq!(open(whole[..cut].to_vec(), &identities).unwrap_err(), CHANGED, "{cut}");
    }
    let mut longer = whole;
    longer.push(0);
    assert_eq!(open(longer, &identities).unwrap_err(), CHANGED);
}

#[test]
fn every_changed_bit_is_noticed_and_every_cut_is_survived() {
    let (whole, identities) = (bytes("one.age"), identities(&bytes("identity.txt")).unwrap());
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(open(changed, &identities).is_err(), "byte {at}, bit {bit}");
        }
        assert!(open(whole[..at].to_vec(), &identities).is_err(), "cut at {at}");
    }
    let armored = bytes("armored.age");
    for at in 0..armored.len() - 1 {
        let _ = open(armored[..at].to_vec(), &identities);
    }
    for text in ["", "age-encryption.org/v1\n", "-----BEGIN AGE ENCRYPTED FILE-----", "hello"] {
        assert_eq!(open(text.into(), &identities).unwrap_err(), NOT_AGE);
    }
}

#[test]
fn an_identity_with_a_slip_is_none() {
    let text = String::from_utf8(bytes("other.txt")).unwrap();
    assert_eq!(identities(text.as_bytes()).map(|all| all.len()), Some(1));
    let line = text.trim();
    for at in 0..line.len() {
        let mut slipped = line.as_bytes().to_vec();
        slipped[at] = if slipped[at] == b'Q' { b'P' } else { b'Q' };
        assert!(identity(&slipped).is_none(), "{at}");
        assert!(identity(&line.as_bytes()[..at]).is_none());
    }
    assert!(identity(line.to_lowercase().as_bytes()).is_none());
    for text in ["", "# nothing\n", "ssh-ed25519 AAAA", &format!("{line}\nhello\n")] {
        assert!(identities(text.as_bytes()).is_none(), "{text}");
    }
    assert!(identities(format!("{line}\n").repeat(MAX_KEYS + 1).as_bytes()).is_none());
}

#[tokio::test]
async fn entries_are_found_by_name_in_a_file_whose_identity_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for name in ["identity.txt", "entries.age", "one.age"] {
        std::fs::write(place(name), bytes(name)).unwrap();
    }
    let mode = |bits| std::fs::Permissions::from_mode(bits);
    std::fs::set_permissions(place("identity.txt"), mode(0o600)).unwrap();
    let get = |file: &str, entry: Option<&str>| {
        read(place(file), entry.map(str::to_owned), place("identity.txt"))
    };
    assert_eq!(get("entries.age", Some("api")).await.unwrap(), b"hunter2");
    assert_eq!(get("entries.age", Some("pair")).await.unwrap(), b"a=b");
    assert_eq!(get("entries.age", Some("empty")).await.unwrap(), b"");
    assert_eq!(get("one.age", None).await.unwrap(), b"hunter2");
    for absent in ["ap", "apis", "# the team's", ""] {
        let error = get("entries.age", Some(absent)).await.unwrap_err();
        assert_eq!(error.code(), "LS-SEC-011", "{absent}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    assert_eq!(get("none.age", None).await.unwrap_err().code(), "LS-SEC-002");
    assert_eq!(get("identity.txt", None).await.unwrap_err().code(), "LS-SEC-009");
    let error = read(place("one.age"), None, place("none.txt")).await.unwrap_err();
    assert_eq!(error.code(), "LS-SEC-002");
    std::fs::set_permissions(place("one.age"), mode(0o600)).unwrap();
    let error = read(place("one.age"), None, place("one.age")).await.unwrap_err();
    assert_eq!(error.code(), "LS-SEC-010");
    std::fs::set_permissions(place("identity.txt"), mode(0o644)).unwrap();
    assert_eq!(get("one.age", None).await.unwrap_err().code(), "LS-SEC-003");
}
