//! How a container is created again: whose service it is decides.

use super::ground::{Ground, also};
use crate::host::doctor::Remedy;
use crate::host::doctor::remedy::quoted;
use crate::host::survey::ContainerFacts;

/// These containers are created again: those of a service of Compose by its command, others as they were made, which only
/// their owner knows.
pub(super) fn recreate<'c>(
    ground: Ground<'_>,
    remedy: Remedy,
    containers: impl IntoIterator<Item = &'c ContainerFacts>,
) -> Remedy {
    let mut lines: Vec<String> = Vec::new();
    let mut others = Vec::new();
    for container in containers {
        match line(container) {
            Some(line) if lines.contains(&line) => {}
            Some(line) => lines.push(line),
            None => others.push(container.name.as_str()),
        }
    }
    let by_compose = !lines.is_empty();
    let remedy = lines.into_iter().fold(remedy, |remedy, line| ground.daemon(remedy, line));
    let remedy = if by_compose {
        also(remedy, "Type `docker compose` in the folder of its compose file, which `docker compose ls` shows.")
    } else {
        remedy
    };
    match (others.is_empty(), by_compose) {
        (false, _) => also(remedy, &format!("Create again, as it was made: {}.", others.join(", "))),
        (true, true) => remedy,
        (true, false) => also(remedy, "Then create the container again, as it was made."),
    }
}

/// The command for a container that is a service of Compose.
fn line(container: &ContainerFacts) -> Option<String> {
    let (project, service) = (quoted(container.project.as_deref()?)?, quoted(container.service.as_deref()?)?);
    Some(format!("docker compose -p {project} up -d --force-recreate --no-deps {service}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;

    #[test]
    fn a_service_is_created_again_by_its_name_and_another_container_by_no_command() {
        let survey = bench::machine();
        let again = |containers: &[ContainerFacts]| recreate(Ground::of(&survey), Remedy::new("x"), containers);
        let lone = again(&[bench::container("llm")]);
        assert!(lone.commands.is_empty() && lone.note.contains("llm"), "{lone:?}");
        let mut service = bench::container("stack-llm-1");
        (service.project, service.service) = (Some("stack".into()), Some("llm; reboot".into()));
        let remedy = again(&[service.clone(), service.clone()]);
        assert_eq!(remedy.commands.len(), 1);
        let line = "docker compose -p stack up -d --force-recreate --no-deps 'llm; reboot'";
        assert_eq!(remedy.commands[0].line, line);
        service.service = Some("a\nreboot".into());
        assert!(again(&[service]).commands.is_empty());
        assert!(again(&[]).commands.is_empty());
    }
}
