//! Embeds `rules/<area>/<name>.toml`: writes a table of (id, text) that `rule::catalogue` includes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("rules");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for area in fs::read_dir(&root)? {
        let area = area?;
        for file in fs::read_dir(area.path())? {
            let path = file?.path();
            if let (Some("toml"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_stem()) {
                println!("cargo::rerun-if-changed={}", path.display());
                files.push((format!("{}/{}", area.file_name().to_string_lossy(), name.to_string_lossy()), path));
            }
        }
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (id, path) in files {
        writeln!(table, "    ({id:?}, include_str!({:?})),", path.display().to_string()).map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("rules.rs");
    fs::write(out, table)
}
