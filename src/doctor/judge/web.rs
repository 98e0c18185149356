//! The website: whether PHP can use the database while modsync does, and whether visitors can download it.

use super::super::findings::{Account, Facts, FileLook, Server};
use super::super::remedy::{as_root, failure, good, note, unknown, warning};
use super::rights::{ALL, ENTER, READ_WRITE, made_by, may};
use crate::config::Config;
use crate::control::types::Check;
use crate::cycle::advice::word;

/// Folders that web servers serve by custom.
const WEB_ROOTS: [&str; 7] = [
    "/var/www/",
    "/srv/www/",
    "/srv/http/",
    "/public_html/",
    "/htdocs/",
    "/httpdocs/",
    "/wwwroot/",
];

fn is_below_web_root(path: &str) -> bool {
    WEB_ROOTS.iter().any(|root| path.contains(root))
}

/// Whether the web user can use the database, now and after modsync has written to it.
pub(super) fn access(config: &Config, server: &Server) -> Check {
    let name = "web_access";
    let Some(facts) = server.known() else {
        return unknown(name, "not tested: the server's shell says nothing");
    };
    let (Some(database), Some(folder)) = (&facts.database, &facts.folder) else {
        return unknown(name, "not tested: there is no database");
    };
    if facts.me.name.is_empty() {
        return unknown(name, "not tested: files alone do not tell who the web user is");
    }
    let sites = web_users(facts, database, folder);
    let Some(first) = sites.first() else {
        return good(name, "no web server was seen there, and the database belongs to none");
    };
    let wal = server.database().is_some_and(|database| database.journal == "wal");
    let site = sites
        .iter()
        .find(|site| obstacle(facts, site, database, folder, wal).is_none());
    match site {
        Some(site) => good(
            name,
            format!(
                "{} can write the database and its folder, and what modsync makes beside it",
                site.name
            ),
        ),
        None => {
            let detail = obstacle(facts, first, database, folder, wal).unwrap_or_default();
            failure(
                name,
                detail,
                as_root(config, server.uid(), &share(facts, first, database, folder)),
            )
        }
    }
}

/// The accounts that PHP may run as: of those that are seen at work PHP's own, else web servers' own, else those that are
/// there by custom and have to do with the database.
fn web_users<'a>(facts: &'a Facts, database: &FileLook, folder: &FileLook) -> Vec<&'a Account> {
    let working = |accounts: &'a [Account]| -> Vec<&'a Account> {
        let (root, others): (Vec<_>, Vec<_>) = accounts.iter().partition(|account| account.uid == 0);
        if others.is_empty() { root } else { others }
    };
    let seen = if facts.php.is_empty() { &facts.web } else { &facts.php };
    if !seen.is_empty() {
        return working(seen);
    }
    let concerned = |account: &&Account| {
        let theirs = [database, folder]
            .iter()
            .any(|file| file.uid == account.uid || account.groups.contains(&file.gid));
        theirs || is_below_web_root(&database.path)
    };
    facts.custom.iter().filter(concerned).collect()
}

/// What keeps the web user from using the database, if anything does.
fn obstacle(facts: &Facts, site: &Account, database: &FileLook, folder: &FileLook, wal: bool) -> Option<String> {
    let (who, me) = (&site.name, &facts.me);
    let tell = |file: &FileLook| format!("{} ({}:{}, mode {:04o})", file.path, file.owner, file.group, file.mode);
    if let Some(closed) = facts.above.iter().find(|above| !may(site, above, ENTER)) {
        return Some(format!("{who} may not enter {}", tell(closed)));
    }
    if !may(site, folder, ALL) {
        return Some(format!(
            "{who} may not write in {}: SQLite has to make its journal in it",
            tell(folder)
        ));
    }
    let mut files = [database].into_iter().chain(&facts.beside);
    if let Some(file) = files.find(|file| !may(site, file, READ_WRITE)) {
        return Some(format!("{who} may not write {}", tell(file)));
    }
    let what = if wal {
        "-wal and -shm"
    } else {
        "journal that a crash leaves"
    };
    if !may(site, &made_by(me, database, folder), READ_WRITE) {
        return Some(format!(
            "{who} may not write the {what} that SQLite makes as {}: the site would be locked out",
            me.name
        ));
    }
    if !may(me, &made_by(site, database, folder), READ_WRITE) {
        return Some(format!(
            "{} may not write the {what} that SQLite makes as {who}: syncing would be locked out",
            me.name
        ));
    }
    None
}

/// Commands that let both users work: one group for the folder and its files, handed on to what is made in it.
fn share(facts: &Facts, site: &Account, database: &FileLook, folder: &FileLook) -> String {
    let (group, path) = (word(&site.name), word(&folder.path));
    let files = [database].into_iter().chain(&facts.beside).map(|file| word(&file.path));
    let files = files.collect::<Vec<_>>().join(" ");
    let mut commands: Vec<String> = facts
        .above
        .iter()
        .filter(|above| !may(site, above, ENTER))
        .map(|above| format!("chmod o+x {}", word(&above.path)))
        .collect();
    commands.push(format!(
        "g=$(id -gn {group}); chgrp \"$g\" {path} {files} && chmod u+rwx,g+rwxs {path} && chmod ug+rw {files}"
    ));
    if facts.me.uid != 0 && !site.groups.first().is_some_and(|group| facts.me.groups.contains(group)) {
        commands.push(format!("usermod -aG \"$g\" {}", word(&facts.me.name)));
    }
    commands.join("; ")
}

/// Whether visitors of the website can download the database.
pub(super) fn root(config: &Config, server: &Server) -> Check {
    let name = "web_root";
    let path = server.path(config);
    let Some(facts) = server.known() else {
        return unknown(name, "not tested: the server's shell says nothing");
    };
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let deny = format!(
        "printf 'Require all denied\\n' > {}",
        word(&format!("{folder}/.htaccess"))
    );
    let deny = as_root(config, server.uid(), &deny);
    let last = folder.rsplit('/').next().unwrap_or(folder);
    let nginx = format!("# with nginx, in the site's server block: location ~ /{last}/ {{ deny all; }}");
    if let Some(url) = facts.served.first() {
        let detail = format!("anybody can download the database: {url} gives it");
        return failure(name, detail, format!("{deny}\n{nginx}"));
    }
    if !is_below_web_root(&path) {
        return good(
            name,
            "the database is not below a folder that web servers serve by custom",
        );
    }
    match facts.denied.first() {
        Some(rule) => note(
            name,
            format!("{path} is below a web root; {rule} denies it, where Apache may read it (AllowOverride)"),
            None,
        ),
        None => warning(
            name,
            format!(
                "{path} is below a web root, and no .htaccess denies it: visitors may be able to download the database"
            ),
            format!("{deny}\n{nginx}"),
        ),
    }
}
