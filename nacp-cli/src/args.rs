//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use nacp_core::cuda::{CheckId, Level, Version};
use nacp_core::gpu::GpuId;
use nacp_core::host::lock::Effect;
use nacp_core::observe::HostnameLabel;

/// GPUs and what runs on them: what is here, what is broken, which service gets which GPU.
#[derive(Debug, Parser)]
#[command(name = "nacp", version, subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Print one JSON document in place of text
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,

    /// Look at the machine in this folder (proc/…, sys/…, answers/…) in place of this one
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Everywhere")]
    #[arg(conflicts_with = "node")]
    pub(crate) root: Option<PathBuf>,

    /// Use the GPUs of this simulated node: h100x8 and others, or a file of your own
    #[arg(long, global = true, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Everywhere")]
    pub(crate) node: Option<String>,

    /// Take at most so many seconds
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, help_heading = "Everywhere")]
    pub(crate) limit: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the GPUs: memory, load, temperature, power, health
    Gpus(GpusArgs),
    /// Check that CUDA works and computes rightly
    Check(CheckArgs),
    /// Tell what is broken, how that is known, and what mends it
    ///
    /// Ends with 0 where nothing is broken, with 1 where something is, and with 3 where nothing broken was found and not
    /// all could be looked at, for a daemon or a part of the machine did not answer.
    Doctor(DoctorArgs),
    /// Explain the text of an error, or an entry of the doctor's catalogue
    Explain(ExplainArgs),
    /// Compare the ways to run GPU services here: Windows, WSL2, Linux, containers
    Decide(DecideArgs),
    /// Write down what a reproducible run needs: nacp.lock
    Lock(LockArgs),
    /// Tell what is not as nacp.lock has it
    Verify(VerifyArgs),
    /// Write an app that a Docker Compose file describes, and tell what is otherwise
    ///
    /// Variables come from the environment and from the file .env beside it. What has no counterpart is told line by line
    /// on the standard error.
    Import(ImportArgs),
    /// Write an app in the form of another tool
    Export(ExportArgs),
    /// Check the files that describe apps, or print their schema
    App(AppArgs),
    /// Run the services of an app on the GPUs, in containers
    Up(UpArgs),
    /// Show what runs
    Status(StatusArgs),
    /// Show the last lines that a service wrote
    Logs(LogsArgs),
    /// Stop and remove the services of an app
    Down(DownArgs),
    /// Answer OpenAI's and Ollama's API in front of what runs
    Serve(ServeArgs),
    /// Print the metrics for Prometheus once, or serve them
    Metrics(MetricsArgs),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct GpusArgs {
    /// Print it anew every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) watch: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// How much: quick (2 s at most), standard (30 s), full (minutes)
    #[arg(value_name = "LEVEL", default_value_t = Level::Quick)]
    pub(crate) level: Level,
    /// Run this check and what it builds on; may be given again
    #[arg(long, value_name = "CHECK")]
    pub(crate) only: Vec<CheckId>,
    /// Check this device only; may be given again
    #[arg(long, value_name = "UUID")]
    pub(crate) device: Vec<GpuId>,
    #[command(flatten)]
    pub(crate) forms: Forms,
    /// Check this libcuda.so.1
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "node")]
    pub(crate) library: Option<PathBuf>,
    /// The CUDA version that your programs were built with
    #[arg(long, value_name = "VERSION")]
    pub(crate) cuda: Option<Version>,
    /// Do the checks of `full` although others use the device
    #[arg(long)]
    pub(crate) even_if_busy: bool,
    /// Touch the driver in this process, not in a child that is killed when it hangs
    #[arg(long)]
    pub(crate) thread: bool,
    /// List the checks
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// End with 1 also for what works and is a risk
    #[arg(long)]
    pub(crate) strict: bool,
    /// Ask `nvidia-smi` and `nvidia-ctk cdi generate`, too: they start the driver and may take seconds
    #[arg(long)]
    pub(crate) thorough: bool,
    #[command(flatten)]
    pub(crate) forms: Forms,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The text of an error, or an entry such as D08; the standard input if not given
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) forms: Forms,
}

#[derive(Args, Debug)]
pub(crate) struct DecideArgs {
    /// How much is measured: quick, standard (speed, too), full
    #[arg(long, value_name = "LEVEL", default_value_t = Level::Quick)]
    pub(crate) level: Level,
    /// What was measured on native Linux with the same GPU: the JSON of `nacp decide` there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) reference: Option<PathBuf>,
    /// Run this image on each way to a GPU that the engines here offer; it is not pulled
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// A lock of what runs: how much of it is pinned counts as reproducible
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) lock: Option<PathBuf>,
    /// How much a criterion counts, such as throughput=3; may be given again
    #[arg(long, value_name = "CRITERION=NUMBER")]
    pub(crate) weight: Vec<String>,
    /// Decide as on this day, such as 2027-06-30: the support of drivers ends; today if not given
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) forms: Forms,
}

#[derive(Args, Debug)]
pub(crate) struct LockArgs {
    /// The app whose services are pinned; nacp.yaml if it is there
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Where the lock is written
    #[arg(long, short, value_name = "FILE", default_value = "nacp.lock", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
    /// Let the GPUs compute and pin their bits, too: takes up to half a minute
    #[arg(long)]
    pub(crate) certify: bool,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The lock
    #[arg(default_value = "nacp.lock", value_hint = ValueHint::FilePath)]
    pub(crate) lock: PathBuf,
    /// The app whose services are compared; nacp.yaml if it is there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) app: Option<PathBuf>,
    /// What may have changed: nothing, performance, results
    #[arg(long, value_name = "EFFECT", default_value = "performance", value_parser = effect)]
    pub(crate) allow: Effect,
    /// Let the GPUs compute and compare their bits, too: takes up to half a minute
    #[arg(long)]
    pub(crate) certify: bool,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// Other forms of a result.
#[derive(Args, Debug)]
pub(crate) struct Forms {
    /// Print Markdown, for an issue
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Write it as a page, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The compose file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The app's name; that in the file or of its folder if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Write the app to this file, such as nacp.yaml
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace that file where it is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Give containers the rights that Docker gives where the file says nothing
    #[arg(long)]
    pub(crate) as_docker: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    pub(crate) to: ExportTo,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportTo {
    /// Write a Docker Compose file
    Compose(ExportFileArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ExportFileArgs {
    /// The app
    #[arg(default_value = "nacp.yaml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Write to this file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct AppArgs {
    #[command(subcommand)]
    pub(crate) command: AppCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Tell what is wrong in the files, what they need, and what is worth a second look
    ///
    /// Ends with 0 where each file is valid, with 2 where one is not, and with --strict with 1 where something is worth a
    /// second look. No container engine and no GPU is asked.
    Check(AppCheckArgs),
    /// Print the JSON Schema of nacp.yaml, for editors
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct AppCheckArgs {
    /// The files
    #[arg(default_value = "nacp.yaml", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// End with 1 also for what is valid and worth a second look
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// What to run
    #[arg(default_value = "nacp.yaml", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Stay, and start again what ends, until Ctrl-C; the services run on
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) keep: bool,
    /// Run on a simulated engine, whose services end with this command
    #[arg(long)]
    pub(crate) simulated: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Of this app only
    pub(crate) app: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// Of which service: SERVICE, or APP/SERVICE, or APP/SERVICE/REPLICA
    pub(crate) service: String,
    /// How many lines
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(crate) lines: usize,
}

#[derive(Args, Debug)]
pub(crate) struct DownArgs {
    /// The name of the app, or the file that describes it
    #[arg(default_value = "nacp.yaml", value_name = "APP|FILE")]
    pub(crate) app: String,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Run this app first, and keep it while this command runs
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// The address to listen on; others than this machine's own need a key
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The variable of the environment that holds the key that clients must send
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_env: Option<String>,
    /// Run the app on a simulated engine, whose services end with this command
    #[arg(long, requires = "file")]
    pub(crate) simulated: bool,
}

#[derive(Args, Debug)]
pub(crate) struct MetricsArgs {
    /// Serve them at /metrics of this address, such as 127.0.0.1:9400, until Ctrl-C
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// How often to read the GPUs, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1", requires = "listen")]
    pub(crate) every: Duration,
    /// The name of the machine; the kernel's if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// The label that holds it: hostname, Hostname, both, none
    #[arg(long, value_name = "LABEL", default_value = "hostname")]
    pub(crate) hostname_label: HostnameLabel,
}

/// What a change can do.
fn effect(word: &str) -> Result<Effect, String> {
    let named = Effect::ALL.into_iter().find(|effect| effect.name() == word);
    named.ok_or_else(|| "it is one of nothing, performance, results".to_owned())
}

/// Longer than anybody waits, and short enough to be added to any time of a clock: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A time from a number of seconds, [`LONGEST`] at most.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|time| !time.is_zero()).map(|time| time.min(LONGEST));
    seconds.ok_or_else(|| "not a number of seconds above zero".to_owned())
}

/// The beginning of a day, in UTC.
fn day(text: &str) -> Result<Timestamp, String> {
    let date: Option<Date> = text.parse().ok();
    let begins = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    begins.map(|begins| begins.timestamp()).ok_or_else(|| "not a date such as 2027-06-30".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_day_begins_at_midnight_in_greenwich() {
        assert_eq!(day("2027-06-30").unwrap().to_string(), "2027-06-30T00:00:00Z");
        for wrong in ["", "soon", "2027-13-01", "30.06.2027"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_above_zero_and_finite() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(seconds("1e19"), Ok(LONGEST));
        for wrong in ["0", "-1", "soon", "inf", "NaN", "1e300", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
