//! Fields of Compose that have no counterpart, and what it means that they are left out.

/// Fields of a service with what a user loses.
pub(super) const SERVICE: &[(&str, &str)] = &[
    ("annotations", "the container gets no annotations; labels are kept"),
    ("attach", "nacp shows the log of each service by itself: nacp logs SERVICE"),
    ("blkio_config", "the container's access to disks is not limited"),
    ("build", "nacp builds no images; build it yourself under the name in `image` before nacp up"),
    ("cgroup", "the container has a cgroup namespace as the engine sets it"),
    ("cgroup_parent", "the container is put where the engine puts all"),
    ("configs", "the files are not mounted; mount each as a read-only host file under `volumes`"),
    ("container_name", "containers are named by nacp; other services reach this one by the name of the service"),
    ("cpu_count", "not limited; use `resources.cpus`"),
    ("cpu_percent", "not limited; use `resources.cpus`"),
    ("cpu_period", "not limited; use `resources.cpus`"),
    ("cpu_quota", "not limited; use `resources.cpus`"),
    ("cpu_rt_period", "the container has no real-time share of the CPUs"),
    ("cpu_rt_runtime", "the container has no real-time share of the CPUs"),
    ("cpu_shares", "CPUs are shared evenly; `resources.cpus` limits them"),
    ("cpuset", "the container may run on every CPU"),
    ("credential_spec", "the container gets no credential specification"),
    ("develop", "nothing is watched or rebuilt"),
    ("device_cgroup_rules", "the container gets no devices beside its GPUs"),
    ("dns", "names are resolved as the engine does it"),
    ("dns_opt", "names are resolved as the engine does it"),
    ("dns_search", "names are resolved as the engine does it"),
    ("domainname", "the container has no domain name of its own"),
    ("external_links", "containers outside the app are not linked; reach them over a published port"),
    ("extra_hosts", "the names are not known in the container; write the addresses where they are used"),
    ("group_add", "the program is in its user's own groups only"),
    ("hostname", "the container's host name is set by the engine; other services reach it by the name of the service"),
    ("init", "no init process reaps ended children; use an image with one (tini) if the program starts others"),
    ("isolation", "the container is isolated as the engine does it"),
    ("label_file", "the labels of the file are not read; write them under `labels`"),
    ("links", "services reach each other by their names; an alias is not known"),
    ("logging", "the engine's own log driver is used"),
    ("mac_address", "the engine chooses the address"),
    ("mem_reservation", "memory is not reserved; `resources.memory` limits it"),
    ("mem_swappiness", "the kernel swaps as it does for all"),
    ("memswap_limit", "swap is not limited separately"),
    ("models", "no model is provided beside the container; serve it as a service of its own"),
    ("oom_kill_disable", "a program that takes more memory than its limit is ended"),
    ("oom_score_adj", "the kernel chooses what to end as it does for all"),
    ("pid", "the container sees its own processes only"),
    ("post_start", "nothing is run in the container after its start"),
    ("pre_stop", "nothing is run in the container before its end; `stop_signal` and `stop_grace` tell the program"),
    ("privileged", "no container of nacp is privileged; name what it needs under `security`"),
    ("stdin_open", "the program's standard input is closed"),
    ("storage_opt", "the container's disk is not limited"),
    ("sysctls", "the kernel's settings stay as they are"),
    ("tty", "the program has no terminal"),
    ("use_api_socket", "the engine's socket is not given to the container"),
    ("userns_mode", "users are mapped as the engine does it"),
    ("uts", "the container has a host name of its own"),
    ("volumes_from", "the volumes of another service are not mounted; name each under `volumes`"),
];

/// Fields of `deploy`.
pub(super) const DEPLOY: &[(&str, &str)] = &[
    ("endpoint_mode", "the router spreads the requests over the replicas"),
    ("labels", "they are those of a service of Swarm; labels of the containers stand in the service's own `labels`"),
    ("placement", "there is one machine; GPUs are chosen by nacp"),
    ("rollback_config", "when a new replica does not become ready, the old ones come back"),
];

/// Fields of `deploy.update_config`.
pub(super) const UPDATE: &[(&str, &str)] = &[
    ("delay", "the next replica is replaced as soon as the one before is ready"),
    ("failure_action", "when a new replica does not become ready, the old ones come back"),
    ("max_failure_ratio", "one replica that does not become ready ends the update"),
    ("monitor", "a replica counts as replaced when `ready` says so"),
];

/// Fields of `deploy.restart_policy`.
pub(super) const RESTART: &[(&str, &str)] = &[
    ("delay", "the pause before a restart grows by itself"),
    ("max_attempts", "it is started again as often as it ends, after a pause that grows"),
    ("window", "a replica counts as started when `ready` says so"),
];

/// Fields of a healthcheck.
pub(super) const HEALTH: &[(&str, &str)] =
    &[("start_interval", "until the first success it is asked more often by itself")];

/// Fields of a service that are read.
pub(super) const READ: &[&str] = &[
    "cap_add",
    "cap_drop",
    "command",
    "cpus",
    "depends_on",
    "deploy",
    "devices",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "gpus",
    "healthcheck",
    "image",
    "ipc",
    "labels",
    "mem_limit",
    "network_mode",
    "networks",
    "pids_limit",
    "platform",
    "ports",
    "profiles",
    "provider",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
];
