//! `include/nacp.h` is what the sources say, and C and C++ compilers take it at their strictest.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Compiler, INCLUDE};

const HEAD: &str = "\
/**
 * @file nacp.h
 * NACP, the NVIDIA AI Control Plane, as a C library.
 *
 * Where to begin. nacp_ctx_new makes the context from which everything else comes, nacp_discover finds the GPUs. From the
 * node come its numbers, topology, events, telemetry and health; from the context plans, apps, routers, gateways and
 * metrics. The functions stand at the end, under a heading for each of these.
 *
 * Errors. A function that can fail returns a nacp_status and fills the nacp_error that the caller gives; NULL is allowed
 * there. Nothing is kept in the library between calls.
 *
 * Ownership. What a function gives through an `[out]` handle or a nacp_string belongs to the caller, who frees it with the
 * function named there. Freeing NULL does nothing. A `const char *` that a function returns or puts into a struct is
 * borrowed: its documentation says for how long. On failure an `[out]` handle is NULL, a nacp_string is
 * empty, and a number or a struct is zero but for its size; whatever stood there before is not looked at.
 *
 * Texts are UTF-8 and end with a NUL.
 *
 * Threads. What is taken as `const T *` may be used by several threads at once. What is taken as `T *` belongs to the call
 * alone; that is so for every `[out]` parameter too.
 *
 * Structs begin with their size, which their NACP_*_INIT macro sets, and may grow at their end. The library writes no more
 * of a struct than the caller has, and takes what an older caller does not have as zero.
 *
 * Fork. A context and what came from it belong to the process that made them; in a forked child make a new one.
 *
 * Signals. SIGPIPE is blocked on the library's threads, and on the caller's for the time of a call: a connection that breaks
 * is an error and ends no program. How the program treats signals is not changed.
 *
 * The library has no signal handler, no global state, and prints nothing but the report of a defect of its own, and what
 * nacp_probe_answer reports to the process that asked.
 */
";

const MACROS: &str = "
/** The version of this header; nacp_version_string() is that of the library. */
#define NACP_VERSION \"@VERSION@\"

#ifdef __cplusplus
extern \"C++\" {
template <typename T> inline T nacp_init() {
  T value = T();
  value.struct_size = static_cast<uint32_t>(sizeof(T));
  return value;
}
}
#define NACP_INIT(T) nacp_init<T>()
#else
#define NACP_INIT(T) {.struct_size = sizeof(T)}
#endif

";

/// The header, with an initialiser for each struct that begins with its size.
fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    config.header = Some(HEAD.trim_end().to_owned());
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config.clone()).generate().unwrap();
    let mut plain = Vec::new();
    bindings.write(&mut plain);
    let plain = String::from_utf8(plain).unwrap();

    let mut macros = MACROS.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let mut sized: Vec<_> = plain.split("* sizeof(").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    sized.dedup();
    assert!(sized.contains(&"nacp_error"), "the structs with a size were not found: {sized:?}");
    for name in sized {
        macros.push_str(&format!("#define {}_INIT NACP_INIT({name})\n", name.to_uppercase()));
    }
    config.after_includes = Some(macros.trim_end().to_owned());
    let bindings = cbindgen::Builder::new().with_crate(root).with_config(config).generate().unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    // C++ before 2011 knows neither the type of an enumeration nor a comma at its end.
    let typed = "#if (defined(__cplusplus) && __cplusplus >= 201103L) ||";
    let header = String::from_utf8(header).unwrap();
    with_headings(header.replace("#if defined(__cplusplus) ||", typed).replace(",\n};", "\n};"))
}

/// The header with a line above the functions of each module: the first line of its documentation.
fn with_headings(mut header: String) -> String {
    for source in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let text = fs::read_to_string(source.unwrap().path()).unwrap();
        let heading = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap().trim_end_matches('.');
        let Some(first) = exported(&text).next() else { continue };
        let at = header.rfind(&format!("{first}(")).unwrap_or_else(|| panic!("{first} is not in the header"));
        let comment = header[..at].rfind("/**").unwrap();
        header.insert_str(comment, &format!("/* ==== {heading} ==== */\n\n"));
    }
    header
}

/// The functions that a source exports, in their order.
fn exported(source: &str) -> impl Iterator<Item = &str> {
    let functions = source.split("#[unsafe(no_mangle)]").skip(1);
    functions.map(|rest| rest.split("fn ").nth(1).unwrap().split('(').next().unwrap())
}

#[test]
fn the_header_is_what_the_sources_say() {
    let path = Path::new(INCLUDE).join("nacp.h");
    let header = generated();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (has, wants))) =
        committed.lines().zip(header.lines()).enumerate().find(|(_, (has, wants))| has != wants)
    {
        panic!(
            "include/nacp.h is old at line {}: has `{has}`, wants `{wants}`; set UPDATE_HEADER=1 and test again",
            line + 1
        );
    }
    assert_eq!(committed, header, "include/nacp.h is old; set UPDATE_HEADER=1 and test again");
}

#[test]
fn every_function_is_in_the_header_and_tells_of_every_parameter() {
    let header = fs::read_to_string(Path::new(INCLUDE).join("nacp.h")).unwrap();
    let mut count = 0;
    for source in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let text = fs::read_to_string(source.unwrap().path()).unwrap();
        for name in exported(&text) {
            let at = header.rfind(&format!("{name}(")).unwrap_or_else(|| panic!("{name} is not in the header"));
            let comment = &header[header[..at].rfind("/**").unwrap()..at];
            let parameters = header[at..].split(['(', ')']).nth(1).unwrap();
            for parameter in parameters.split(',').filter(|parameter| *parameter != "void") {
                let parameter = parameter.rsplit([' ', '*']).next().unwrap();
                let told = [format!("@param {parameter} "), format!("@param[out] {parameter} ")];
                assert!(told.iter().any(|told| comment.contains(told)), "{name} does not tell of {parameter}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// A unit that initialises every struct with a size, so that a field that C cannot initialise is seen.
fn every_struct() -> String {
    let header = fs::read_to_string(Path::new(INCLUDE).join("nacp.h")).unwrap();
    let structs: Vec<_> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.strip_suffix(')')?.split_once("_INIT NACP_INIT("))
        .collect();
    assert!(structs.len() > 20, "{structs:?}");
    let mut text = "#include \"nacp.h\"\n#include \"nacp.h\"\n\nint other(void);\n\nint other(void) {\n".to_owned();
    for (name, of) in &structs {
        assert_eq!(name.to_lowercase(), *of);
        text.push_str(&format!("  {{\n    {of} value = {name}_INIT;\n"));
        text.push_str("    if (value.struct_size != sizeof value) return 1;\n  }\n");
    }
    text.push_str("  nacp_error error = NACP_ERROR_INIT;\n  nacp_ctx_options options = NACP_CTX_OPTIONS_INIT;\n");
    text.push_str("  return options.node == NULL && options.replay_speed == 0 && error.message[0] == 0 ? 0 : 1;\n}\n");
    text
}

/// Some C++ programs wrap every C header.
const MAIN: &str = r#"
#ifdef __cplusplus
extern "C" {
#endif
#include "nacp.h"
#ifdef __cplusplus
}
#endif

int other(void);

int main(void) { return NACP_ABI_VERSION >= 1 && sizeof(nacp_status) == 4 && NACP_E_INTERNAL == 12 ? other() : 2; }
"#;

fn two_units(compiler: &Compiler, extension: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name).with_extension(extension);
        fs::write(&path, text).unwrap();
        path
    };
    let sources = [write("twice", &every_struct()), write("main", MAIN)];
    let program = folder.path().join("program");
    compiler.run(sources.iter().map(|path| path.as_os_str()).chain(["-o".as_ref(), program.as_os_str()]));
    assert!(std::process::Command::new(program).status().unwrap().success());
}

#[test]
fn a_strict_c11_compiler_takes_the_header_twice_and_in_two_files() {
    two_units(&Compiler::C11, "c");
}

#[test]
fn a_strict_cpp17_compiler_takes_the_header_twice_and_in_two_files() {
    two_units(&Compiler::CPP17, "cc");
}

/// The header alone is enough there: the programs use what came later.
#[test]
fn a_strict_cpp98_compiler_takes_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("old.cc");
    fs::write(&program, "#include \"nacp.h\"\nint main() { return nacp_abi_version() == NACP_ABI_VERSION ? 0 : 1; }\n")
        .unwrap();
    Compiler::CPP98.run(["-fsyntax-only".as_ref(), program.as_os_str()]);
}
