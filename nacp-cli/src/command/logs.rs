//! `nacp logs`: the last lines that a service wrote.

use nacp_core::control::{AppStatus, ReplicaStatus};
use nacp_core::error::nearest;
use nacp_core::{Error, ErrorKind};
use serde_json::json;

use super::run::{ask, onlooker};
use super::status::LIMIT;
use crate::Exit;
use crate::args::LogsArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

pub(crate) fn run(args: &LogsArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("logs")?;
    let wanted = Wanted::parse(&args.service)?;
    let (app, replica, lines) = ask(context.limit_or(LIMIT), async {
        let plane = onlooker().await?;
        let apps = plane.statuses().await?;
        let (app, replica) = wanted.choose(&apps)?;
        let lines = plane.logs(app, &replica.service, replica.replica, args.lines).await?;
        Ok((app.to_owned(), replica.clone(), lines))
    })?;
    let document = json!({ "app": app, "service": replica.service, "replica": replica.replica, "lines": lines });
    if context.global.json || !lines.is_empty() {
        context.show(&document, |_| lines.join("\n"))?;
    }
    Ok(Exit::Fine)
}

/// Which replica is meant.
#[derive(Debug, PartialEq)]
struct Wanted {
    app: Option<String>,
    service: String,
    replica: Option<u32>,
}

impl Wanted {
    fn parse(text: &str) -> Outcome<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let wrong = || {
            Failure::usage("not the name of a service")
                .with("service", text)
                .hint("write SERVICE, APP/SERVICE or APP/SERVICE/REPLICA")
        };
        let (app, service, replica) = match parts[..] {
            [service] => (None, service, None),
            [app, service] => (Some(app), service, None),
            [app, service, replica] => (Some(app), service, Some(replica.parse().map_err(|_| wrong())?)),
            _ => return Err(wrong()),
        };
        if service.is_empty() || app == Some("") {
            return Err(wrong());
        }
        Ok(Self { app: app.map(str::to_owned), service: service.to_owned(), replica })
    }

    /// The one replica that is meant: where several are, the user has to say which.
    fn choose<'a>(&self, apps: &'a [AppStatus]) -> Outcome<(&'a str, &'a ReplicaStatus)> {
        let all = apps.iter().flat_map(|app| app.replicas.iter().map(|replica| (app.app.as_str(), replica)));
        let name = |(app, replica): &(&str, &ReplicaStatus)| format!("{app}/{}/{}", replica.service, replica.replica);
        let all: Vec<_> = all.collect();
        let is_meant = |(app, replica): &&(&str, &ReplicaStatus)| {
            replica.service == self.service
                && self.app.as_ref().is_none_or(|wanted| wanted == app)
                && self.replica.is_none_or(|wanted| wanted == replica.replica)
        };
        let meant: Vec<_> = all.iter().filter(is_meant).collect();
        match meant[..] {
            [one] => Ok(*one),
            [] => {
                let error = Error::new(ErrorKind::NotFound, "cli.logs", "no such service runs")
                    .with("service", &self.service)
                    .with("running", format_args!("[{}]", all.iter().map(name).collect::<Vec<_>>().join(", ")));
                let near = nearest(&self.service, all.iter().map(|(_, replica)| replica.service.as_str()));
                Err(match near {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error,
                }
                .into())
            }
            _ => {
                let names: Vec<String> = meant.into_iter().map(name).collect();
                Err(Failure::usage("more than one replica is meant")
                    .with("service", &self.service)
                    .hint(format!("say which: {}", names.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_alone_with_its_app_or_with_its_replica() {
        let wanted = |app: Option<&str>, service: &str, replica| Wanted {
            app: app.map(str::to_owned),
            service: service.to_owned(),
            replica,
        };
        assert_eq!(Wanted::parse("llm").unwrap(), wanted(None, "llm", None));
        assert_eq!(Wanted::parse("a/llm").unwrap(), wanted(Some("a"), "llm", None));
        assert_eq!(Wanted::parse("a/llm/2").unwrap(), wanted(Some("a"), "llm", Some(2)));
        for wrong in ["", "a/", "/llm", "a/llm/x", "a/b/1/2"] {
            assert_eq!(Wanted::parse(wrong).unwrap_err().exit, Exit::NotUnderstood, "{wrong}");
        }
    }
}
