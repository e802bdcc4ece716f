//! `nacp import`: an app from a Docker Compose file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nacp_core::service::compose::{self, Import};
use nacp_core::{Error, ErrorKind};
use serde_json::json;

use crate::Exit;
use crate::args::ImportArgs;
use crate::context::{Context, read, write};
use crate::failure::{Failure, Outcome, file};

pub(crate) fn run(args: &ImportArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("import")?;
    let text = read(&args.file)?;
    let named = |error: Error| Failure::from(error.with_first("file", args.file.display()));
    let folder = folder(&args.file)?;
    let beside = dotenv(&folder).map_err(named)?;
    let environment = |name: &str| std::env::var(name).ok().or_else(|| beside.get(name).cloned());
    let files = |path: &str| fs::read_to_string(folder.join(path)).ok();
    let (place, name) = (folder.to_string_lossy(), args.name.as_deref());
    let mut import = Import::new(&text).folder(&place).environment(&environment).files(&files);
    import = import.as_docker(args.as_docker);
    if let Some(name) = name {
        import = import.name(name);
    }
    let imported = import.run().map_err(named)?;
    let yaml = compose::to_yaml(&imported.app)?;
    if let Some(out) = &args.out {
        if out.exists() && !args.force && fs::metadata(out).is_ok_and(|there| there.is_file()) {
            let error = Error::new(ErrorKind::Conflict, "cli.import", "the file is there already");
            return Err(error
                .with("path", out.display())
                .hint("name another one, or pass --force to replace it")
                .into());
        }
        write(out, &yaml)?;
    }
    if !context.global.json {
        imported.notes.iter().for_each(|note| context.tell(note));
    }
    match (&args.out, context.global.json) {
        (Some(out), false) => context.tell(format_args!("written: {}", out.display())),
        _ => context.show(&json!({ "app": imported.app, "yaml": &yaml, "notes": imported.notes }), |_| yaml.clone())?,
    }
    Ok(Exit::Fine)
}

/// The folder of a file, from the root.
fn folder(path: &Path) -> Outcome<std::path::PathBuf> {
    let whole = fs::canonicalize(path).map_err(|cause| file("the file cannot be read", path, cause))?;
    Ok(whole.parent().unwrap_or(&whole).to_owned())
}

/// The variables of the file `.env` beside the compose file; none without one.
fn dotenv(folder: &Path) -> nacp_core::Result<BTreeMap<String, String>> {
    let Ok(text) = fs::read_to_string(folder.join(".env")) else { return Ok(BTreeMap::new()) };
    let variables = compose::dotenv(&text).map_err(|error| error.with_first("variables", ".env"))?;
    Ok(variables.into_iter().collect())
}
