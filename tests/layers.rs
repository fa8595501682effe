//! The floors of the house: who may import whom, and what is never done.

#[path = "layers/floors.rs"]
mod floors;
#[path = "layers/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use branchline_probes::PROBES;

use floors::{AGENT, Floors, NEVER, QUIET};
use source::Source;

/// A source file of one of the two houses.
struct File {
    /// Its path for people: `src/rules/api.rs`.
    place: String,
    /// Its module, as names from the root of its crate.
    module: Vec<String>,
    source: Source,
}

impl File {
    fn new(folder: &str, path: &str, text: &str) -> Self {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        Self {
            place: format!("{folder}/{path}"),
            module: stem.split('/').map(str::to_owned).collect(),
            source: Source::read(text),
        }
    }

    fn room(&self) -> String {
        room(&self.module)
    }

    /// What this file imports of its own crate, `name` being the crate's name.
    fn imports(&self, name: &str) -> Vec<(usize, String)> {
        // The roots of a crate are its modules' parents.
        let is_root = matches!(self.module[0].as_str(), "lib" | "main");
        let module: Vec<&str> =
            if is_root { Vec::new() } else { self.module.iter().map(String::as_str).collect() };
        let paths = self.source.paths(&module, &[name]);
        paths
            .into_iter()
            .filter(|path| path.root == "crate" || path.root == name)
            .map(|path| (path.line, room(&path.names)))
            .collect()
    }
}

/// The room to which a module belongs: its first name, but each output is one of its own.
fn room(names: &[String]) -> String {
    match names {
        [] => "lib".to_owned(),
        [first, second, ..] if first == "outputs" => format!("{first}/{second}"),
        [first, ..] => first.clone(),
    }
}

/// Every import that the floors do not allow, every room that they do not know, and every room
/// of theirs that does not exist.
fn broken_floors(floors: Floors, name: &str, files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let (place, own) = (&file.place, file.room());
        let Some((_, allowed)) = floors.iter().find(|(room, _)| *room == own) else {
            broken.push(format!("{place}:1: the room `{own}` is not in the table of floors"));
            continue;
        };
        for (line, other) in file.imports(name) {
            if other != own && !allowed.contains(&other.as_str()) {
                broken.push(format!("{place}:{line}: `{own}` may not import `{other}`"));
            }
        }
    }
    let rooms: BTreeSet<String> = files.iter().map(File::room).collect();
    let gone = floors.iter().filter(|(room, _)| !rooms.contains(*room));
    broken.extend(
        gone.map(|(room, _)| format!("the table knows `{room}`, and there is no such room")),
    );
    broken
}

/// Every place where the table itself has a circle, or allows what is never allowed.
fn broken_table(floors: Floors) -> Vec<String> {
    let mut broken = Vec::new();
    for (index, (room, allowed)) in floors.iter().enumerate() {
        for other in *allowed {
            if !floors[index + 1..].iter().any(|(below, _)| below == other) {
                broken.push(format!("`{room}` may import `{other}`, which is no room below it"));
            }
            for (rooms, never, because) in NEVER {
                let is_meant = |it: &str| {
                    it.is_empty() || it == *other || other.starts_with(&format!("{it}/"))
                };
                if rooms.contains(room) && never.iter().any(|it| is_meant(it)) {
                    broken.push(format!("`{room}` may import `{other}`: {because}"));
                }
            }
        }
    }
    broken
}

/// Every place where the driver names a protocol or a probe.
fn protocols_in_the_driver(files: &[File]) -> Vec<String> {
    const PROTOCOLS: &[&str] = &["stun", "sip", "dns", "turn"];
    // The names of the resolver's library, not of a probe.
    const RESOLVER: &[&str] = &["Dns", "DnsError"];
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.room() == "driver") {
        let names_one =
            |text: &str| PROTOCOLS.iter().any(|it| parts(text).contains(&(*it).to_owned()));
        let is_resolver = file.place.ends_with("driver/resolve.rs");
        let words =
            file.source.words().filter(|(_, word)| !(is_resolver && RESOLVER.contains(word)));
        for (line, word) in words.chain(file.source.texts()) {
            if names_one(word) {
                broken.push(format!("{}:{line}: the driver names a protocol: {word}", file.place));
            }
        }
    }
    broken
}

/// Every place that names a probe and may not. Only those who draw conclusions read facts by key.
fn probes_by_name(files: &[File]) -> Vec<String> {
    let modules: Vec<String> = PROBES.iter().map(|probe| probe.name().replace('-', "_")).collect();
    let mut broken = Vec::new();
    let concluding = ["rules", "propagation", "contradiction"];
    for file in files.iter().filter(|file| !concluding.contains(&&*file.room())) {
        for path in file.source.paths(&[], &["branchline_probes"]) {
            let is_probe =
                path.names.first().is_some_and(|it| modules.contains(it) || it == "wire");
            if path.root == "branchline_probes" && is_probe {
                let place = &file.place;
                broken.push(format!("{place}:{}: only rules read facts by key", path.line));
            }
        }
        let shows = file.room().starts_with("outputs") || file.room() == "web";
        let named = |text: &str| PROBES.iter().any(|probe| text.contains(probe.name()));
        for (line, _) in file.source.texts().filter(|(_, text)| shows && named(text)) {
            broken.push(format!("{}:{line}: an output names a probe", file.place));
        }
    }
    broken
}

/// Every place where the quiet house reads a clock, opens a socket or draws chance of its own.
fn noise(files: &[File]) -> Vec<String> {
    const LOUD: &[&str] = &[
        "Instant",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "tokio",
        "socket2",
        "tracing",
        "OsRng",
        "SysRng",
        "thread_rng",
    ];
    let mut broken = Vec::new();
    for file in files {
        let place = &file.place;
        for (line, word) in file.source.words().filter(|(_, word)| LOUD.contains(word)) {
            broken.push(format!("{place}:{line}: the quiet house uses `{word}`"));
        }
        for path in file.source.paths(&[], &["SystemTime", "std", "rand"]) {
            let whole = format!("{}::{}", path.root, path.names.join("::"));
            let is_ambient = ["std::env", "std::fs", "std::process", "std::thread"]
                .iter()
                .any(|start| whole.starts_with(start));
            let is_chance = path.root == "rand" && file.room() != "chance";
            if is_ambient || is_chance || whole.ends_with("SystemTime::now") {
                broken.push(format!("{place}:{}: the quiet house uses `{whole}`", path.line));
            }
        }
    }
    broken
}

/// The words of a name, in lower case: `DnsError` and `dns_error` are `dns` and `error`.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for character in text.chars() {
        let starts_word = was_lower && character.is_uppercase();
        if (starts_word || !character.is_alphanumeric()) && parts.last() != Some(&String::new()) {
            parts.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(last) = parts.last_mut()
        {
            last.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    parts
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `folder`, in the order of their paths.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder of ours can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files of one house, `src` or `probes/src`.
fn house(folder: &str) -> Vec<File> {
    let base = root().join(folder);
    let files: Vec<File> = rust_files(&base)
        .iter()
        .map(|path| {
            let inside = path.strip_prefix(&base).expect("it was found there");
            let text = fs::read_to_string(path).expect("it can be read");
            File::new(folder, &inside.display().to_string(), &text)
        })
        .collect();
    assert!(files.len() > 10, "{folder} is not where it was");
    files
}

#[track_caller]
fn assert_kept(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_floors_have_no_circle_and_allow_nothing_that_is_never_done() {
    assert_kept(&[broken_table(AGENT), broken_table(QUIET)].concat());
}

#[test]
fn every_room_of_the_agent_imports_only_from_floors_below_its_own() {
    assert_kept(&broken_floors(AGENT, "branchline", &house("src")));
}

#[test]
fn every_room_of_the_probes_imports_only_from_floors_below_its_own() {
    assert_kept(&broken_floors(QUIET, "branchline_probes", &house("probes/src")));
}

#[test]
fn the_driver_moves_bytes_and_names_no_protocol() {
    assert_kept(&protocols_in_the_driver(&house("src")));
}

#[test]
fn no_output_names_a_probe() {
    assert_kept(&probes_by_name(&house("src")));
}

#[test]
fn the_probes_have_no_clock_no_socket_and_no_chance_of_their_own() {
    assert_kept(&noise(&house("probes/src")));

    let manifest = fs::read_to_string(root().join("probes/Cargo.toml")).expect("it is there");
    let dependencies = dependencies(&manifest);
    assert!(dependencies.contains(&"thiserror"), "{dependencies:?}");
    for loud in ["tokio", "hyper", "reqwest", "metrics", "socket2", "tracing", "nix", "anyhow"] {
        assert!(
            !dependencies.contains(&loud),
            "probes/Cargo.toml: `{loud}` is not for a quiet house"
        );
    }
}

/// The names in `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn a_cause_stays_a_type_until_it_is_shown() {
    let mut broken = Vec::new();
    for file in house("src").iter().chain(&house("probes/src")) {
        let found = file.source.words().filter(|(_, word)| *word == "anyhow");
        broken.extend(found.map(|(line, _)| format!("{}:{line}: `anyhow`", file.place)));
    }

    assert_kept(&broken);
}

/// Whether a line names requirements and nothing else: `// D-API-4, F6`.
fn is_citation(line: &str) -> bool {
    let is_id = |word: &str| {
        word.starts_with(|it: char| it.is_ascii_uppercase())
            && word.ends_with(|it: char| it.is_ascii_digit())
            && word.chars().all(|it| matches!(it, 'A'..='Z' | '0'..='9' | '-'))
    };
    let names = line.trim().strip_prefix("// ");
    names.is_some_and(|names| names.split(", ").all(is_id))
}

/// Two citations in a row: the upper one has lost its test.
fn lost_citations(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair.iter().all(|line| is_citation(line)));
    pairs.map(|pair| pair[0].trim().to_owned()).collect()
}

#[test]
fn no_citation_has_lost_its_test() {
    assert_eq!(lost_citations("// D-API-4\n// F6, I8\nfn a() {}\n"), ["// D-API-4"]);
    assert_eq!(lost_citations("// F6, D-API-4\n// and why\nfn a() {}\n// F7\n"), [""; 0]);
    for folder in ["src", "tests", "probes"] {
        for path in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&path).expect("it is text");
            assert_eq!(lost_citations(&text), [""; 0], "{}", path.display());
        }
    }
}

#[test]
fn no_file_has_more_than_500_lines_of_code() {
    let mut broken = Vec::new();
    for folder in ["src", "probes", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let lines =
                Source::read(&fs::read_to_string(&path).expect("it can be read")).lines_of_code;
            if lines > LONGEST_FILE {
                broken.push(format!("{}: {lines} lines of code", path.display()));
            }
        }
    }

    assert_kept(&broken);
}

const LONGEST_FILE: usize = 500;

#[path = "layers/itself.rs"]
mod itself;
