//! Where containers of objects are kept, as `[blobstore.CONTAINER]` and `--blobstore` say it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use longshore_reference::authored::{Item, Table, closest, did_you_mean};
use longshore_reference::check_store_name;

/// What stands for every container that is not named.
const OTHERS: &str = "*";
const BACKENDS: [&str; 3] = ["folder", "memory", "none"];

/// What keeps a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Nothing: there is no such container.
    None,
    /// This process, as long as it lasts.
    Memory,
    /// A folder; the host's own unless it is named.
    Folder(Option<PathBuf>),
}

/// What the operator says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// What keeps it.
    pub shelf: Shelf,
    /// The most bytes of objects that it may hold, whatever a grant says.
    pub max_bytes: Option<u64>,
    /// The most objects that it may hold, whatever a grant says.
    pub max_objects: Option<u64>,
}

/// Where containers are kept, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// Those that are named.
    pub named: BTreeMap<String, Container>,
    /// All others; a folder of the host unless the operator says otherwise.
    pub others: Container,
}

impl Default for Containers {
    fn default() -> Self {
        let others = Container { shelf: Shelf::Folder(None), max_bytes: None, max_objects: None };
        Self { named: BTreeMap::new(), others }
    }
}

impl Containers {
    /// Takes a flag: `CONTAINER=BACKEND`, where the backend is `none`, `memory`, `folder` or `folder:PATH`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn flag(&mut self, flag: &str) -> Result<(), String> {
        let (name, text) = flag.split_once('=').ok_or("expected `CONTAINER=BACKEND`")?;
        check_name(name)?;
        let shelf = match text.split_once(':') {
            Some(("folder", path)) if !path.is_empty() => Shelf::Folder(Some(path.into())),
            None if text == "folder" => Shelf::Folder(None),
            None if text == "memory" => Shelf::Memory,
            None if text == "none" => Shelf::None,
            _ => return Err(format!("a backend is one of {}", listed())),
        };
        self.insert(name, Container { shelf, max_bytes: None, max_objects: None });
        Ok(())
    }

    fn insert(&mut self, name: &str, container: Container) {
        match name {
            OTHERS => self.others = container,
            _ => drop(self.named.insert(name.to_owned(), container)),
        }
    }

    /// Makes paths absolute that are relative to `home`.
    pub(crate) fn beside(&mut self, home: &Path) {
        for container in self.named.values_mut().chain([&mut self.others]) {
            if let Shelf::Folder(Some(path)) = &mut container.shelf {
                *path = home.join(&*path);
            }
        }
    }
}

fn listed() -> String {
    BACKENDS.map(|backend| format!("`{backend}`")).join(", ")
}

fn check_name(name: &str) -> Result<(), String> {
    if name == OTHERS { Ok(()) } else { check_store_name(name) }
}

/// Reads `[blobstore]`.
pub(crate) fn from_toml(table: &Table<'_>) -> Containers {
    let mut containers = Containers::default();
    for (name, item) in table.entries() {
        if let Err(why) = check_name(name) {
            item.fail_key(why, None);
            continue;
        }
        if let Some(container) = item.table().and_then(|table| container(&table)) {
            containers.insert(name, container);
        }
    }
    containers
}

fn container(table: &Table<'_>) -> Option<Container> {
    let item = table.need("backend")?;
    let word = item.string()?;
    let (shelf, own): (_, &[&str]) = match word {
        "none" => (Shelf::None, &[]),
        "memory" => (Shelf::Memory, &["max-bytes", "max-objects"]),
        "folder" => {
            let path = table.get("path").as_ref().and_then(path);
            (Shelf::Folder(path), &["path", "max-bytes", "max-objects"])
        }
        _ => {
            let meant = closest(word, BACKENDS).map(did_you_mean);
            item.fail_with(format!("`{}` is one of {}", item.name(), listed()), meant);
            return None;
        }
    };
    table.only(&[&["backend"], own].concat());
    let most = |key| table.get(key).and_then(|item| item.positive());
    Some(Container { shelf, max_bytes: most("max-bytes"), max_objects: most("max-objects") })
}

fn path(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.string()?;
    if text.is_empty() || text.contains('\0') {
        item.fail(format!("`{}` is no path", item.name()));
        return None;
    }
    Some(text.into())
}
