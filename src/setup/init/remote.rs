//! The server's database: what there is to pick from, the question, and a look at it as the daemon will take it.

use super::answers::Answers;
use super::candidate::{file_name, lines, rank};
use super::visit::{Found, Visit, search};
use super::{EngineWord, InitArgs, no_answer};
use crate::config::{Environment, Places};
use crate::model::Schema;
use crate::setup::terminal::{Terminal, picked};
use crate::ssh::{Connection, DatabaseState, Hello, SessionError};

/// What the look at the server's database saw.
pub(super) struct Seen {
    pub hello: Hello,
    /// `None` where there is no database yet.
    pub schema: Option<Schema>,
    pub zone: Option<String>,
}

/// Finds out which database is meant, and opens it.
pub(super) async fn settle(
    args: &InitArgs,
    answers: &mut Answers,
    visit: &Visit,
    connection: &Connection,
    environment: &Environment,
    places: &Places,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Seen> {
    let mut found = Found::default();
    if args.remote.is_none() {
        terminal.say("Looking for databases there …")?;
        found = search(connection).await;
        rank(&mut found.databases, Some(file_name(&answers.local)));
        show(&found, terminal)?;
    }
    answers.remote = Some(ask(args, &found, terminal).await?);
    loop {
        let config = answers.config(environment, places)?;
        let error = match visit.open(connection, &config).await {
            Ok((hello, schema)) => {
                let schema = Some(schema);
                return Ok(Seen {
                    hello,
                    schema,
                    zone: found.zone,
                });
            }
            Err(error) => error,
        };
        match error {
            SessionError::NoDatabase { hello, .. }
                if hello.state == DatabaseState::Missing && config.local.database.exists() =>
            {
                terminal.say(&format!(
                    "{} is not there: the first sync sends this machine's.",
                    hello.database
                ))?;
                if !terminal.attended() || args.remote.is_some() || terminal.agrees("Is that meant?").await? {
                    return Ok(Seen {
                        hello: *hello,
                        schema: None,
                        zone: found.zone,
                    });
                }
            }
            error if serves_files_alone(&error) && answers.engine.is_none() && terminal.attended() => {
                terminal.say(&error.to_string())?;
                if !terminal.agrees("Use engine = \"sftp\"?").await? {
                    return Err(error.into());
                }
                answers.engine = Some(EngineWord::Sftp);
                continue;
            }
            error if args.remote.is_some() || !terminal.attended() => return Err(error.into()),
            error => terminal.say(&error.to_string())?,
        }
        answers.remote = Some(ask(args, &found, terminal).await?);
    }
}

/// Whether the way out that an error names is the engine for servers that run no commands.
fn serves_files_alone(error: &SessionError) -> bool {
    matches!(error, SessionError::Setup { message, .. } if message.contains("engine = \"sftp\""))
}

fn show(found: &Found, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    if !terminal.attended() {
        return Ok(());
    }
    let heading = match (found.databases.is_empty(), found.complete) {
        (true, true) => "Found none below /var/www, /srv, the home folder and the like.",
        (true, false) => "The search did not come to its end, and found none.",
        (false, true) => "Databases on the server:",
        (false, false) => "Databases on the server, as far as they were found in time:",
    };
    terminal.say(heading)?;
    lines(&found.databases).iter().try_for_each(|line| terminal.say(line))?;
    for path in &found.denied {
        terminal.say(&format!("     {path}  (this user may not read it)"))?;
    }
    Ok(())
}

async fn ask(args: &InitArgs, found: &Found, terminal: &mut Terminal<'_>) -> anyhow::Result<String> {
    if let Some(remote) = &args.remote {
        return Ok(remote.clone());
    }
    if let ([only], true) = (found.databases.as_slice(), args.yes) {
        return Ok(only.path.clone());
    }
    if !terminal.attended() {
        return Err(no_answer("--remote", "the database on the server", &found.databases));
    }
    let (question, default) = match found.databases.first() {
        Some(_) => ("Which one belongs to it? A number or a path", Some("1")),
        None => ("The path of the database on the server", None),
    };
    loop {
        let answer = terminal.ask(question, default).await?.unwrap_or_default();
        match picked(&answer, &found.databases) {
            Some(candidate) => return Ok(candidate.path.clone()),
            None if answer.is_empty() || answer.starts_with('~') => {
                terminal.say("A path is needed, in full: nothing is expanded there.")?;
            }
            None => return Ok(answer),
        }
    }
}
