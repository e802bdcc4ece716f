//! The driver's compiler: a text of PTX becomes a program, or a refusal with what a compiler writes.

use crate::code::Code;
use crate::config::Config;
use crate::machine::Device;
use crate::ptx::Program;

/// Why an image was not loaded: the number, and the compiler's log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) log: String,
}

/// How the compiler calls a text that has no file.
const SOURCE: &str = "ptxas application ptx input";
const ABORTED: &str = "ptxas fatal   : Ptx assembly aborted due to errors\n";

/// Compiles a text for a device.
///
/// # Errors
/// 221 without a compiler, 222 where the text is of a newer version, 209 where it is for newer devices, 218 where it is
/// not PTX or not simulated.
pub(crate) fn compile(text: &str, device: &Device, config: &Config) -> Result<Program, Refusal> {
    let refused = |code, log| Err(Refusal { code, log });
    if !config.compiler {
        return refused(Code::JIT_COMPILER_NOT_FOUND, String::new());
    }
    let Some((line, version)) = directive(text, ".version") else {
        return refused(
            Code::INVALID_PTX,
            format!("{SOURCE}, line 1; fatal   : Missing .version directive at start of file\n{ABORTED}"),
        );
    };
    if let Some(wanted) = pair(version).filter(|wanted| *wanted > config.ptx) {
        let (major, minor) = config.ptx;
        return refused(
            Code::UNSUPPORTED_PTX_VERSION,
            format!(
                "{SOURCE}, line {line}; fatal   : Unsupported .version {}.{}; current version is '{major}.{minor}'\n",
                wanted.0, wanted.1
            ),
        );
    }
    let compute = device.gpu.compute;
    let own = 10 * compute.major + compute.minor;
    if let Some((line, target)) = directive(text, ".target") {
        let target = target.split(',').next().unwrap_or_default().trim();
        let number = target.strip_prefix("sm_").map(|rest| rest.trim_end_matches(['a', 'f']));
        let fits = match number.and_then(|number| number.parse::<u32>().ok()) {
            Some(wanted) if target.ends_with('a') => wanted == own,
            Some(wanted) if target.ends_with('f') => wanted <= own && wanted / 10 == compute.major,
            Some(wanted) => wanted <= own,
            // The parser says what is wrong.
            None => true,
        };
        if !fits {
            return refused(
                Code::NO_BINARY_FOR_GPU,
                format!("{SOURCE}, line {line}; fatal   : SM version {target} is not served by sm_{own}\n"),
            );
        }
    }
    Program::parse(text).map_err(|error| Refusal {
        code: Code::INVALID_PTX,
        log: format!("{SOURCE}, line {}; error   : {}\n{ABORTED}", error.line, error.reason),
    })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The first directive of this name that stands at the beginning of a line: its line, and what follows.
fn directive<'a>(text: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let mut comment = false;
    for (nth, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        loop {
            if comment {
                let Some((_, after)) = rest.split_once("*/") else { break };
                (comment, rest) = (false, after.trim_start());
            }
            let Some(after) = rest.strip_prefix("/*") else { break };
            (comment, rest) = (true, after);
        }
        if comment {
            continue;
        }
        if let Some(value) = rest.strip_prefix(name).filter(|value| value.starts_with([' ', '\t'])) {
            let value = value.split("//").next().unwrap_or(value);
            return Some((nth + 1, value.split("/*").next().unwrap_or(value).trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_to(text: &str, node: &str, version: &str) -> Result<Program, Refusal> {
        let variables = [("NACP_SIM_NODE", node), ("NACP_SIM_CUDA_VERSION", version)];
        let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        let config = Config::read(variable).unwrap();
        let devices = super::super::device::visible(&config);
        compile(text, &devices[0], &config)
    }

    #[track_caller]
    fn refused(text: &str, node: &str, version: &str) -> (i32, String) {
        let refusal = try_to(text, node, version).map(|_| ()).unwrap_err();
        (refusal.code.0, refusal.log)
    }

    #[test]
    fn a_text_of_a_newer_version_is_refused_with_its_line() {
        let text = "//\n/* .version 1.0\n*/ /* */\n.version 9.0 // new\n.target sm_50\n.address_size 64\n";
        let log = "ptxas application ptx input, line 4; fatal   : Unsupported .version 9.0; current version is '8.0'\n";
        assert_eq!(refused(text, "h100x8", "12000"), (222, log.into()));
    }

    #[test]
    fn a_text_for_newer_devices_is_refused() {
        for (target, node, fits) in [
            ("sm_50", "t4", true),
            ("sm_75", "t4", true),
            ("sm_80", "t4", false),
            ("sm_90", "rtx4090", false),
            ("sm_75", "h100x8", true),
            ("sm_90a", "h100x8", true),
            ("sm_80a", "h100x8", false),
            ("sm_100", "h100x8", false),
        ] {
            let outcome = try_to(&format!(".version 6.0\n.target {target}\n.address_size 64\n"), node, "13000");
            let refused = outcome.is_err_and(|refusal| refusal.code == Code::NO_BINARY_FOR_GPU);
            assert_eq!(refused, !fits, "{target} on {node}");
        }
    }

    #[test]
    fn what_is_not_ptx_is_refused_and_the_line_named() {
        assert_eq!(refused("", "t4", "12000").0, 218);
        let (code, log) = refused(".version 6.0\n.target sm_50\n.address_size 64\nnonsense;\n", "t4", "12000");
        assert_eq!(code, 218);
        assert!(log.starts_with("ptxas application ptx input, line ") && log.ends_with(ABORTED), "{log}");
    }
}
