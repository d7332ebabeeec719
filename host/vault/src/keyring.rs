//! The keyring of the Linux kernel: keys of the type `user`, found by their description in the keyrings of this session and user.
//! Desktop keyrings behind D-Bus are for their own programs, as a `command:` source.

use longshore_ports::Secret;
use zeroize::Zeroize as _;

use crate::Error;

/// The value of `SERVICE/USER`: the key described as `SERVICE:USER`.
pub(crate) async fn read(entry: &str) -> Result<Vec<u8>, Error> {
    let fail = |why: String| Error::Keyring { entry: entry.to_owned(), why };
    let description = entry.replacen('/', ":", 1);
    // The kernel answers from memory; but whoever is stopped at a deadline must not be waiting in it.
    let reading = tokio::task::spawn_blocking(move || find(&description));
    reading.await.map_err(|_| fail("the reader stopped".to_owned()))?.map_err(fail)
}

#[cfg(target_os = "linux")]
fn find(description: &str) -> Result<Vec<u8>, String> {
    use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};

    let rings = [KeyRingIdentifier::Session, KeyRingIdentifier::User];
    let mut why = KeyError::KeyDoesNotExist;
    for ring in rings {
        let key = KeyRing::from_special_id(ring, false).and_then(|ring| ring.search(description));
        match key {
            Ok(key) => {
                let mut bytes = vec![0; Secret::MAX_BYTES + 1];
                let read = key.read(&mut bytes);
                match read {
                    // The length of the whole, however much of it there was room for.
                    Ok(length) => bytes.truncate(length),
                    Err(error) => {
                        bytes.zeroize();
                        return Err(said(error));
                    }
                }
                return Ok(bytes);
            }
            // A keyring that is not there has no such key either.
            Err(KeyError::KeyDoesNotExist | KeyError::KeyringDoesNotExist) => {}
            Err(error) => why = error,
        }
    }
    Err(said(why))
}

#[cfg(target_os = "linux")]
fn said(error: linux_keyutils::KeyError) -> String {
    use linux_keyutils::KeyError;
    match error {
        KeyError::KeyDoesNotExist => "there is no such key".to_owned(),
        KeyError::KeyExpired => "the key has expired".to_owned(),
        KeyError::KeyRevoked | KeyError::KeyRejected => "the key was revoked".to_owned(),
        KeyError::AccessDenied | KeyError::PermissionDenied => "it may not be read".to_owned(),
        KeyError::OperationNotSupported | KeyError::Unknown(38) => {
            "this system has no keyrings".to_owned()
        }
        other => format!("the system says {other:?}"),
    }
}

#[cfg(not(target_os = "linux"))]
fn find(_: &str) -> Result<Vec<u8>, String> {
    Err("this system has none that is known here".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use linux_keyutils::{KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};

    use super::*;

    #[tokio::test]
    async fn a_key_of_the_kernel_is_found_by_service_and_user() {
        let error = read("longshore-test/nobody").await.unwrap_err();
        assert_eq!(error.code(), "LS-SEC-012");
        let name = format!("longshore-test-{}", std::process::id());
        // A thread that makes a session keyring has it to itself; the user's is everybody's.
        let ring = KeyRing::from_special_id(KeyRingIdentifier::User, true);
        let added = ring.and_then(|ring| ring.add_key(&format!("{name}:alice"), b"hunter2"));
        let builder = KeyPermissionsBuilder::builder();
        let perms = builder.posessor(Permission::ALL).user(Permission::ALL).build();
        let added = added.and_then(|key| key.set_perms(perms).map(|()| key));
        let found = read(&format!("{name}/alice")).await;
        match added {
            Ok(key) => {
                assert_eq!(found.unwrap(), b"hunter2");
                key.invalidate().unwrap();
                let error = read(&format!("{name}/alice")).await.unwrap_err();
                assert_eq!(error.code(), "LS-SEC-012");
            }
            // Containers often have none: that is told, and nothing else goes wrong.
            Err(_) => assert_eq!(found.unwrap_err().code(), "LS-SEC-012"),
        }
    }
}
