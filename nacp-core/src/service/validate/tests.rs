use super::*;
use crate::service::{GpuNeed, Probe};

fn refused(service: Service) -> String {
    App::new("a").service("s", service).validate().unwrap_err().to_string()
}

#[test]
fn each_mistake_names_its_field() {
    let service = || Service::new("image");
    for (wrong, message) in [
        (Service::new(" "), "an image is needed: field=services.s.image; write for example ollama/ollama:0.16.1"),
        (
            service().replicas(1001),
            "the number of replicas is out of range: field=services.s.replicas value=1001; choose 0 to 1000",
        ),
        (
            service().port(0),
            "a port inside a container cannot be 0: field=services.s.port value=0; \
             write the port on which the program listens, 1 to 65535",
        ),
        (
            service().gpu(GpuNeed::memory(Bytes::ZERO)),
            "memory is needed: field=services.s.gpu.memory; write a size, for example 3.5GiB",
        ),
        (
            service().ready(Probe::http("/")),
            "a service without a port cannot be asked over HTTP: field=services.s.ready.http; add `port`",
        ),
        (
            service().port(1).ready(Probe::http("x")),
            "a path begins with a slash: field=services.s.ready.http value=x; \
             write /x without host and port",
        ),
        (
            service().gpu(GpuNeed::memory(Bytes(4))),
            "too little memory for anything on a GPU: field=services.s.gpu.memory value=4 B; \
             did you forget the unit? write for example 3.5GiB",
        ),
        (
            service().port(1).ready(Probe::http("/a b")),
            "not a path of HTTP: field=services.s.ready.http value=\"/a b\"; \
             write blanks and special characters as %20 and so on",
        ),
        (
            service().port(1).ready(Probe::http("/a#b")),
            "not a path of HTTP: field=services.s.ready.http value=\"/a#b\"; \
             write blanks and special characters as %20 and so on",
        ),
        (
            service().port(1).ready(Probe::http("/").within(Duration::ZERO)),
            "the time to become ready is out of range: field=services.s.ready.within value=0ns; choose 1s to 7d",
        ),
        (service().command(["a", "b\0"]), "an argument cannot contain a NUL: field=services.s.command"),
        (service().env("A", "\0"), "a value cannot contain a NUL: field=services.s.env.A"),
        (
            service().env("CUDA_VISIBLE_DEVICES", "0"),
            "this variable is not the service's to set: field=services.s.env value=CUDA_VISIBLE_DEVICES; \
             NACP sets it from `gpu`",
        ),
        (
            service().env("NVIDIA_VISIBLE_DEVICES", "all"),
            "this variable is not the service's to set: field=services.s.env value=NVIDIA_VISIBLE_DEVICES; \
             NACP sets it from `gpu`",
        ),
        (
            service().env("A=B", ""),
            "not a name of a variable: field=services.s.env value=\"A=B\"; \
             write for example LOG_LEVEL, without blanks and `=`",
        ),
        (
            service().volume("v", "x"),
            "a volume is mounted at an absolute path: field=services.s.volumes.v.path value=x; did you mean /x?",
        ),
        (
            service().depends_on("ss"),
            "no such service in this app: field=services.s.depends_on value=ss; this app has no other service",
        ),
        (
            service().depends_on("s"),
            "the dependencies form a circle: field=services.s.depends_on circle=s -> s; \
             remove one of these dependencies",
        ),
    ] {
        assert_eq!(refused(wrong), message);
    }
    assert!(App::new("a").validate().is_err());
    assert!(App::new("A").service("s", service()).validate().is_err());
    assert!(App::new("a").service("s_1", service()).validate().is_err());
    assert!(App::new("a".repeat(41)).service("s", service()).validate().is_err());
}

#[test]
fn the_time_to_become_ready_has_its_limits() {
    let within = |limit| {
        let service = Service::new("image").port(1).ready(Probe::http("/healthz?deep=1").within(limit));
        App::new("a").service("s", service).validate()
    };
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    for good in [Duration::from_secs(1), week] {
        within(good).unwrap();
    }
    for bad in [Duration::from_millis(999), week + Duration::from_nanos(1), Duration::MAX] {
        assert_eq!(within(bad).unwrap_err().get("field"), Some("services.s.ready.within"), "{bad:?}");
    }
}

#[test]
fn a_chain_of_any_length_has_an_order() {
    let last = 20_000;
    let app = (0..=last).fold(App::new("a"), |app, number| {
        let service = Service::new("i");
        let service = if number < last { service.depends_on(format!("s{:05}", number + 1)) } else { service };
        app.service(format!("s{number:05}"), service)
    });
    app.validate().unwrap();
    let order = app.start_order().unwrap();
    assert_eq!((order.len(), order[0], order[last]), (last + 1, "s20000", "s00000"));
}

#[test]
fn a_dependency_that_is_named_twice_counts_once() {
    let app =
        App::new("a").service("a", Service::new("i").depends_on("b").depends_on("b")).service("b", Service::new("i"));
    app.validate().unwrap();
    assert_eq!(app.start_order().unwrap(), ["b", "a"]);
}

#[test]
fn what_is_needed_starts_first() {
    let app = App::new("a")
        .service("a", Service::new("i").depends_on("c"))
        .service("b", Service::new("i"))
        .service("c", Service::new("i").depends_on("b"));
    assert_eq!(app.start_order().unwrap(), ["b", "c", "a"]);
    let circle = app.service("b", Service::new("i").depends_on("a"));
    let error = circle.start_order().unwrap_err();
    assert_eq!(error.get("circle"), Some("a -> c -> b -> a"));
}
