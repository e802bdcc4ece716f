//! What the simulated service serves and what it costs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The variables that tell a program in a container which GPUs it got.
const GPU_VARIABLES: [&str; 8] = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NACP_CDI_DEVICE",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "NCCL_NVLS_ENABLE",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONHASHSEED",
];

/// What a simulated service serves and what it costs. In a container it is read from the environment
/// ([`from_env`](Self::from_env)).
///
/// ```
/// use std::time::Duration;
/// use nacp_core::sim::ServiceOptions;
///
/// // One request at a time, as a small GPU would: the second one waits for its first token.
/// let mut options = ServiceOptions::model("tiny").cost(Duration::from_millis(80), Duration::from_millis(20));
/// options.slots = 1;
///
/// let same = [("NACP_SIM_MODEL", "tiny"), ("NACP_SIM_TTFT_MS", "80"), ("NACP_SIM_TOKEN_MS", "20"), ("NACP_SIM_SLOTS", "1")];
/// let env = same.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
/// assert_eq!(ServiceOptions::from_env(&env)?.slots, options.slots);
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The models that it serves. `NACP_SIM_MODEL`, separated by commas; without it `NACP_MODEL`, which the control
    /// plane sets.
    pub models: Vec<String>,
    /// The port inside a container; a service that is started in-process is told its address. `NACP_SIM_PORT`.
    pub port: u16,
    /// How long it answers 503 after its start. `NACP_SIM_STARTUP_MS`.
    pub startup: Duration,
    /// From the moment when a request gets a slot to its first token. `NACP_SIM_TTFT_MS`.
    pub time_to_first_token: Duration,
    /// Between two tokens. `NACP_SIM_TOKEN_MS`.
    pub per_token: Duration,
    /// How many requests it works on at once; the others wait. `NACP_SIM_SLOTS`.
    pub slots: usize,
    /// Whether it answers 503 for ever, as a service does whose model cannot be loaded. `NACP_SIM_UNHEALTHY=1`.
    pub unhealthy: bool,
    /// The variables `CUDA_VISIBLE_DEVICES`, `NVIDIA_VISIBLE_DEVICES` and `NACP_CDI_DEVICE`, and those that let CUDA
    /// programs repeat, where they are set.
    pub gpu_variables: BTreeMap<String, String>,
    /// Called with each line that it logs.
    pub on_log: Option<fn(&str)>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            models: vec!["nacp-sim".to_owned()],
            port: 8000,
            startup: Duration::ZERO,
            time_to_first_token: Duration::from_millis(5),
            per_token: Duration::from_millis(1),
            slots: 4,
            unhealthy: false,
            gpu_variables: BTreeMap::new(),
            on_log: None,
        }
    }
}

impl ServiceOptions {
    /// The defaults, serving one model.
    pub fn model(name: impl Into<String>) -> Self {
        Self { models: vec![name.into()], ..Self::default() }
    }

    /// Sets the cost: the time to the first token, and between two tokens.
    #[must_use]
    pub fn cost(mut self, time_to_first_token: Duration, per_token: Duration) -> Self {
        self.time_to_first_token = time_to_first_token;
        self.per_token = per_token;
        self
    }

    /// Reads the variables `NACP_SIM_*` named at the fields; one that is not set keeps its default, others are
    /// ignored.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) with the variable and its value.
    pub fn from_env(env: &BTreeMap<String, String>) -> Result<Self> {
        let mut options = Self::default();
        let given = ["NACP_SIM_MODEL", "NACP_MODEL"].into_iter().find_map(|name| Some((name, env.get(name)?)));
        if let Some((variable, models)) = given {
            options.models = models.split(',').map(|model| model.trim().to_owned()).collect();
            if options.models.iter().any(String::is_empty) {
                return Err(invalid(variable, models, "a model, or several separated by commas"));
            }
        }
        let milliseconds = |name| number(env, name, 0).map(|value| value.map(Duration::from_millis));
        set(&mut options.startup, milliseconds("NACP_SIM_STARTUP_MS")?);
        set(&mut options.time_to_first_token, milliseconds("NACP_SIM_TTFT_MS")?);
        set(&mut options.per_token, milliseconds("NACP_SIM_TOKEN_MS")?);
        set(&mut options.port, number(env, "NACP_SIM_PORT", 0)?);
        set(&mut options.slots, number(env, "NACP_SIM_SLOTS", 1)?);
        options.unhealthy = env.get("NACP_SIM_UNHEALTHY").is_some_and(|value| value == "1");
        let gpu = GPU_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), env.get(*name)?.clone())));
        options.gpu_variables = gpu.collect();
        Ok(options)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn number<T: std::str::FromStr + PartialOrd + From<u8>>(
    env: &BTreeMap<String, String>,
    name: &'static str,
    least: u8,
) -> Result<Option<T>> {
    let Some(text) = env.get(name) else { return Ok(None) };
    match text.trim().parse::<T>() {
        Ok(value) if value >= T::from(least) => Ok(Some(value)),
        _ => Err(invalid(name, text, "a whole number in range")),
    }
}

fn invalid(name: &'static str, value: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "sim.service.options", "not a value of this variable")
        .with("variable", name)
        .with("value", format_args!("{value:?}"))
        .hint(format!("write {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_sets_what_it_names() {
        let options = ServiceOptions::from_env(&env(&[
            ("NACP_SIM_MODEL", "phi3:mini, llama3"),
            ("NACP_SIM_PORT", "11434"),
            ("NACP_SIM_STARTUP_MS", "1500"),
            ("NACP_SIM_SLOTS", "2"),
            ("NACP_SIM_UNHEALTHY", "1"),
            ("CUDA_VISIBLE_DEVICES", "GPU-1"),
            ("HOME", "/"),
        ]))
        .unwrap();
        assert_eq!(options.models, ["phi3:mini", "llama3"]);
        assert_eq!((options.port, options.slots, options.unhealthy), (11434, 2, true));
        assert_eq!(options.startup, Duration::from_millis(1500));
        assert_eq!(options.per_token, ServiceOptions::default().per_token);
        assert_eq!(options.gpu_variables, env(&[("CUDA_VISIBLE_DEVICES", "GPU-1")]));
    }

    #[test]
    fn a_wrong_value_names_its_variable() {
        let error = ServiceOptions::from_env(&env(&[("NACP_SIM_SLOTS", "0")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a value of this variable: variable=NACP_SIM_SLOTS value=\"0\"; write a whole number in range"
        );
        assert!(ServiceOptions::from_env(&env(&[("NACP_SIM_PORT", "70000")])).is_err());
        assert!(ServiceOptions::from_env(&env(&[("NACP_SIM_MODEL", "a,,b")])).is_err());
    }
}
