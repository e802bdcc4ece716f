//! Apps that go out and come back, and what `docker compose` says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::service::{
    Api, Check, Condition, Dependencies, Determinism, GpuMemory, GpuNeed, Mount, Probe, Publish, Pull, Resources,
    Restart, RootAccess, Secret, Security, Service, Strategy as Update, Topology, Ulimit,
};
use crate::units::Bytes;

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (1u64..64).prop_map(Bytes::gib),
        (4u64..4096).prop_map(Bytes::mib),
        (6_000_000u64..1 << 40).prop_map(Bytes)
    ]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![(1u64..600).prop_map(Duration::from_secs), (1000u64..90_000).prop_map(Duration::from_millis)]
}

/// Texts that shells, variables and YAML each read in their own way.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[ -~]{1,8}", "(\\$A|\\$\\{B:-c\\}|yes|1e3|0x1f|~|<<|a: b|- c|'|\"|ä|\n)"]
        .prop_map(String::from)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?".prop_map(String::from)
}

fn gpu() -> impl Strategy<Value = GpuNeed> {
    let memory = prop_oneof![bytes().prop_map(GpuMemory::Bytes), Just(GpuMemory::Auto)];
    let topology = prop_oneof![Just(Topology::Any), Just(Topology::Nvlink), Just(Topology::Numa)];
    (memory, 1u32..9, any::<bool>(), of(0u32..9), topology).prop_map(|(memory, count, exclusive, compute, topology)| {
        let need = GpuNeed::memory(memory).count(count);
        // One GPU is connected with no other one.
        let need = if count > 1 { need.topology(topology) } else { need };
        let need = if exclusive { need.exclusive() } else { need };
        match compute {
            Some(minor) => need.compute(format!(">=8.{minor}").parse().unwrap()),
            None => need,
        }
    })
}

fn probe(port: Option<u16>) -> impl Strategy<Value = Probe> {
    let check = prop_oneof![
        "/[a-z]{0,5}(\\?a=b&c)?".prop_map(move |path| if port.is_some() {
            Check::Http(path)
        } else {
            Check::Log(path)
        }),
        Just(if port.is_some() { Check::Tcp } else { Check::Exec(vec!["true".into()]) }),
        prop::collection::vec(text(), 1..4).prop_map(Check::Exec),
        text().prop_map(|text| Check::Exec(vec!["/bin/sh".into(), "-c".into(), text])),
        "[a-z]{1,9}".prop_map(Check::Log),
    ];
    (check, 60u64..9000, 1u64..60, 1u64..30, 1u32..4, 1u32..9).prop_map(|(check, within, every, timeout, good, bad)| {
        let probe = Probe::new(check).within(Duration::from_secs(within)).every(Duration::from_secs(every));
        probe.timeout(Duration::from_secs(timeout)).thresholds(good, bad)
    })
}

fn mount(index: usize) -> impl Strategy<Value = Mount> {
    let path = prop_oneof![Just(format!("/m{index}")), Just(["/tmp", "/run", "/data"][index % 3].to_owned())];
    let host = "/[a-z]{1,5}(/[a-z.]{1,4})?";
    (path, 0u8..4, "[a-zA-Z][a-z_.]{1,6}", host, bytes(), any::<bool>()).prop_map(
        |(path, kind, outside, host, size, read_only)| {
            let mount = match kind {
                0 => Mount::volume(path),
                1 => Mount::external(outside, path),
                2 => Mount::host(host, path),
                _ => Mount::memory(size, path),
            };
            if read_only { mount.read_only() } else { mount }
        },
    )
}

fn mounts() -> impl Strategy<Value = BTreeMap<String, Mount>> {
    let named = |index: usize| (prop_oneof![name(), Just("data".into())], mount(index));
    (named(0), named(1), named(2), 0usize..4).prop_map(|(a, b, c, count)| [a, b, c].into_iter().take(count).collect())
}

prop_compose! {
    fn what_it_runs()(
        image in "[a-z]{1,5}/[a-z]{1,5}:[0-9][0-9.]{0,3}x",
        command in prop::collection::vec(text(), 0..3),
        entrypoint in prop::collection::vec(text(), 0..3),
        working_dir in of("/[a-z]{1,5}"),
        env in prop::collection::btree_map("[A-Z][A-Z_]{0,5}", text(), 0..3),
        labels in prop::collection::btree_map("[a-m.]{1,5}", text(), 0..3),
        model in of("[a-z:]{1,6}"),
        idle in of(time()),
        strict in any::<bool>(),
        (priority, replicas) in (-3i32..4, 0u32..4),
        pull in prop_oneof![Just(Pull::Missing), Just(Pull::Always), Just(Pull::Never)],
        platform in of(Just("linux/amd64".to_owned())),
    ) -> Service {
        Service {
            command, entrypoint, working_dir, env, labels, model, idle, priority, replicas, pull, platform,
            determinism: strict.then_some(Determinism::Strict),
            ..Service::new(image)
        }
    }
}

prop_compose! {
    fn what_it_may()(
        security in (of("[0-9]{1,4}"), 0u8..3, prop::collection::btree_set("(CHOWN|SETUID|KILL)", 0..3), any::<bool>(), any::<bool>()),
        resources in (of((1u32..64).prop_map(|eighths| f64::from(eighths) / 8.0)), of(bytes()), of(1u32..999)),
        ulimits in prop::collection::btree_map("(nofile|memlock|stack)", (1i64..99, 0i64..99), 0..3),
        shm in of(bytes()),
        restart in prop_oneof![Just(Restart::Always), Just(Restart::OnFailure), Just(Restart::Never)],
        stop_grace in time(),
        stop_signal in of(Just("SIGINT".to_owned())),
        strategy in prop_oneof![
            Just(Update::BlueGreen),
            (0u32..3, 1u32..3).prop_map(|(surge, unavailable)| Update::Rolling { surge, unavailable }),
            (1u32..3).prop_map(|surge| Update::Rolling { surge, unavailable: 0 }),
        ],
        secrets in prop::collection::btree_map("[a-c]{1,2}", ("[/a-z]{1,6}", any::<bool>()), 0..3),
    ) -> Service {
        let (user, root, capabilities, new_privileges, host_ipc) = security;
        let root = [RootAccess::Auto, RootAccess::ReadOnly, RootAccess::Writable][usize::from(root)];
        let (cpus, memory, pids) = resources;
        let secret = |(path, from_file): (String, bool)| match from_file {
            true => Secret::File(format!("/f{path}")),
            false => Secret::Env(path.to_uppercase().replace('/', "X")),
        };
        Service {
            security: Security { user, root, capabilities, new_privileges, host_ipc },
            resources: Resources { cpus, memory, pids },
            ulimits: ulimits.into_iter().map(|(name, (soft, more))| (name, Ulimit { soft, hard: soft + more })).collect(),
            secrets: secrets.into_iter().map(|(name, from)| (name, secret(from))).collect(),
            shm: shm.filter(|_| !host_ipc), restart, stop_grace, stop_signal, strategy,
            ..Service::new("i")
        }
    }
}

fn service() -> impl Strategy<Value = Service> {
    let port = of(1u16..9999);
    (what_it_runs(), what_it_may(), port, of(gpu()), mounts(), prop::collection::btree_set(name(), 0..2)).prop_flat_map(
        |(runs, may, port, gpu, volumes, networks)| {
            let host = prop_oneof![Just("127.0.0.1"), Just("0.0.0.0"), Just("::1"), Just("192.168.0.2")];
            let publish = of((host, of(1024u16..9999)));
            (of(probe(port)), of(probe(port)), publish, of(Just(Api::Openai))).prop_map(
                move |(ready, live, publish, api)| {
                    let published = publish.map(|(host, port)| Publish { host: host.parse::<IpAddr>().unwrap(), port });
                    let (volumes, networks): (BTreeMap<_, _>, BTreeSet<_>) = (volumes.clone(), networks.clone());
                    Service {
                        port,
                        publish: published.filter(|_| port.is_some()),
                        // A fixed port allows one replica.
                        replicas: if published.is_some_and(|it| it.port.is_some()) { 1 } else { runs.replicas },
                        api: api.filter(|_| port.is_some()),
                        ready,
                        live: live.filter(|probe| !matches!(probe.check, Check::Log(_))),
                        idle: runs.idle.filter(|_| port.is_some()),
                        gpu: gpu.clone(),
                        volumes,
                        networks,
                        security: may.security.clone(),
                        resources: may.resources.clone(),
                        ulimits: may.ulimits.clone(),
                        secrets: may.secrets.clone(),
                        shm: may.shm,
                        restart: may.restart,
                        stop_grace: may.stop_grace,
                        stop_signal: may.stop_signal.clone(),
                        // New replicas beside old ones cannot share a fixed port.
                        strategy: match published {
                            Some(Publish { port: Some(_), .. }) => Update::default(),
                            _ => may.strategy,
                        },
                        ..runs.clone()
                    }
                },
            )
        },
    )
}

fn app() -> impl Strategy<Value = App> {
    let conditions = prop_oneof![Just(Condition::Started), Just(Condition::Ready), Just(Condition::Completed)];
    (name(), prop::collection::btree_map(name(), (service(), conditions), 1..4)).prop_map(|(name, services)| {
        let mut before: BTreeMap<String, Condition> = BTreeMap::new();
        let mut app = App::new(name);
        for (name, (mut service, condition)) in services {
            // Two mounts at one path are not one app.
            let mut paths = BTreeSet::new();
            service.volumes.retain(|_, mount| paths.insert(mount.path.clone()));
            // What ends by itself is what is waited for so.
            let fits =
                |other: &String| condition != Condition::Completed || app.services[other].restart != Restart::Always;
            let needed = before.iter().filter(|(other, _)| fits(other)).map(|(other, _)| (other.clone(), condition));
            service.depends_on = Dependencies(needed.collect());
            before.insert(name.clone(), condition);
            app.services.insert(name, service);
        }
        app
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn an_app_that_goes_out_comes_back_the_same(app in app()) {
        prop_assume!(app.validate().is_ok());
        let exported = export(&app).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let back = import(&exported.text, None, &|_| None)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", exported.text)))?;
        prop_assert_eq!(&back.app, &app, "{}", exported.text);
        prop_assert_eq!(export(&app).unwrap().text, exported.text, "the same app is the same file");
        let yaml = to_yaml(&app).unwrap();
        prop_assert_eq!(App::parse(&yaml).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?, app);
    }
}

/// Most generated apps must be valid, or the property above would hold of nothing.
#[test]
fn generated_apps_are_valid_as_a_rule() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut refusals = Vec::new();
    for _ in 0..100 {
        if let Err(error) = app().new_tree(&mut runner).unwrap().current().validate() {
            refusals.push(error.to_string());
        }
    }
    assert!(refusals.len() < 40, "{refusals:#?}");
}
