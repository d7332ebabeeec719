//! The promises of [`Mounts`], whatever a guest asks in whatever order.

use std::collections::BTreeMap;

use longshore_journal::Journal;
use longshore_model::{Clock, ComponentIdentity, Json, Limits, RunId, RunStarted, Timestamp};
use longshore_policy::{Needs, Policy, Role};
use longshore_reference::{Digest, Source};
use proptest::prelude::*;

use super::*;
use crate::call::RunContext;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// The folders of a call whose grant has one folder as `access`, under these ceilings.
fn mounts(access: Access, ceilings: &[(LimitName, u64)]) -> Arc<Mounts> {
    let mut policy = Policy::default();
    let folder = std::env::temp_dir();
    let flag = format!("dir=/d={}:{}", folder.display(), access.as_str());
    policy.allow_flag(&flag).unwrap();
    for (name, most) in ceilings {
        policy.ceiling(*name, *most);
    }
    let component = Digest::of(b"component");
    let needs = Needs {
        component,
        source: Source::File("guest.wasm".to_owned()),
        role: Role::Root,
        imports: vec!["wasi:filesystem/types@0.2.6".to_owned()],
        manifest: None,
        signers: Vec::new(),
    };
    let grant = Arc::new(policy.decide(&needs).unwrap());
    let start = RunStarted {
        run: RunId::new(Timestamp::default(), [7; 10]),
        component: ComponentIdentity {
            digest: component,
            reference: "guest.wasm".to_owned(),
            manifest: None,
            signers: Vec::new(),
        },
        function: "f".to_owned(),
        dependencies: Vec::new(),
        grant: grant.record(),
        policy: policy.digest(),
        input: Json::null(),
        engine: String::new(),
        host: String::new(),
        seed: None,
        parent: None,
        continues: None,
    };
    let journal = Journal::in_memory(Arc::new(Still));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = runtime.block_on(journal.open(start)).unwrap();
    let scene = Arc::new(Scene::new(&RunContext::new(run), 0, 0, &grant));
    Mounts::new(&scene, open(&grant).unwrap()).unwrap()
}

fn accesses() -> impl Strategy<Value = Access> {
    prop::sample::select(vec![Access::ReadOnly, Access::Create, Access::ReadWrite])
}

fn asked() -> impl Strategy<Value = Asked> {
    any::<[bool; 5]>().prop_map(|[create, exclusive, truncate, write, exists]| Asked {
        create,
        exclusive,
        truncate,
        write,
        exists,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_opened_for_more_than_its_folder_is_granted_for(
        access in accesses(),
        asked in asked(),
    ) {
        let mounts = mounts(access, &[]);
        let changes = asked.create || asked.truncate || asked.write;
        match mounts.opening(0, asked) {
            Ok(opening) => {
                let writable = opening.perms == FsPerms::ReadWrite;
                prop_assert!(access != Access::ReadOnly || (!changes && !writable));
                if access == Access::Create && writable {
                    prop_assert!(asked.create && !asked.exists);
                    prop_assert!(opening.exclusive && !opening.truncate, "what appears meanwhile is kept");
                }
            }
            Err(Stop::Limit(hit)) => prop_assert!(false, "{hit}"),
            Err(_) => prop_assert!(changes && access != Access::ReadWrite),
        }
    }

    #[test]
    fn no_order_of_writes_and_files_goes_past_a_budget(
        bytes in 0..2_000_u64,
        run_bytes in 0..2_000_u64,
        files in 0..20_u64,
        acts in prop::collection::vec(prop::option::of(0..500_u64), 0..80),
    ) {
        let ceilings = [
            (LimitName::FileWriteBytes, bytes),
            (LimitName::RunFileWriteBytes, run_bytes),
            (LimitName::FilesCreated, files),
        ];
        let mounts = mounts(Access::ReadWrite, &ceilings);
        let (mut written, mut made) = (0, 0);
        for act in acts {
            let done = match act {
                Some(n) => mounts.write(0, n).map(|()| written += n),
                None => mounts.create(0, Access::Create).map(|()| made += 1),
            };
            if let Err(Stop::Limit(hit)) = done {
                let over: BTreeMap<_, _> = [
                    (LimitName::FileWriteBytes, written + act.unwrap_or_default() > bytes),
                    (LimitName::RunFileWriteBytes, written + act.unwrap_or_default() > run_bytes),
                    (LimitName::FilesCreated, made + 1 > files),
                ]
                .into();
                prop_assert!(over[&hit.name], "{hit} with {written} bytes and {made} files");
                break;
            }
            prop_assert!(done.is_ok());
            prop_assert!(written <= bytes.min(run_bytes) && made <= files);
        }
    }
}

#[test]
fn a_budget_is_not_wrapped_around() {
    let mounts = mounts(Access::ReadWrite, &[]);
    assert!(matches!(mounts.write(0, u64::MAX), Err(Stop::Limit(_))));
    for _ in 0..64 {
        assert!(matches!(mounts.write(0, u64::MAX), Err(Stop::Limit(_))));
    }
}

#[test]
fn a_descriptor_of_another_folder_is_of_no_folder() {
    let mounts = mounts(Access::ReadWrite, &[]);
    assert!(matches!(mounts.create(1, Access::Create), Err(Stop::NotPermitted)));
    let limits = Limits::default();
    let slots: Vec<_> = (0..limits.open_files).map(|_| mounts.room().ok().unwrap()).collect();
    assert!(mounts.room().is_err(), "what is being opened counts too");
    drop(slots);
    assert!(mounts.room().is_ok());
}

#[test]
fn a_link_that_a_guest_makes_or_moves_leads_below_its_own_folder_only() {
    for down in ["inside.txt", "a/b", "./a", "a/./b", "..a", "a..", "..."] {
        let mounts = mounts(Access::ReadWrite, &[]);
        assert!(mounts.symlink(0, down).is_ok(), "{down}");
        assert!(mounts.rename(0, 0, Some(down)).is_ok(), "{down}");
    }
    for out in ["..", "../a", "a/..", "a/../b", "a/../../b", "/", "/etc/passwd", "//a"] {
        let mounts = mounts(Access::ReadWrite, &[]);
        assert!(matches!(mounts.symlink(0, out), Err(Stop::NotPermitted)), "{out}");
        assert!(matches!(mounts.rename(0, 0, Some(out)), Err(Stop::NotPermitted)), "{out}");
    }
    assert!(mounts(Access::ReadWrite, &[]).rename(0, 0, None).is_ok());
}
