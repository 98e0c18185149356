//! Lingering: whether systemd runs a user's services without a login.

use std::io::Write;

use super::install::say;
use super::{InstallOptions, Manager, Runner, Scope, ServiceError, install};

/// What is asked of the person before lingering is turned on.
pub const LINGER_QUESTION: &str = "Turn lingering on?";

/// After [`super::install`]: where systemd would end the service with the user's last login, says so, and turns lingering on
/// if `agreed` to [`LINGER_QUESTION`]. Elsewhere there is nothing to do, and nothing is said.
///
/// # Errors
/// When `loginctl` fails, or the text cannot be shown.
pub fn offer_linger(
    options: &InstallOptions,
    runner: &mut dyn Runner,
    out: &mut dyn Write,
    agreed: impl FnOnce(&mut dyn Write) -> std::io::Result<bool>,
) -> Result<(), ServiceError> {
    let concerned = options.manager == Manager::Systemd && options.service.scope == Scope::User && !options.print;
    if !concerned || lingers(runner) {
        return Ok(());
    }
    say(
        out,
        "systemd stops it when you log out, and starts it when you log in. With lingering it runs from boot on.",
    )?;
    if !agreed(out).map_err(ServiceError::Output)? {
        return say(out, "to have that later: loginctl enable-linger");
    }
    install::loginctl(&["enable-linger"]).run(runner)?;
    say(out, "lingering is on; `loginctl disable-linger` turns it off")
}

/// Whether it is on already. Where that cannot be told, it is not.
fn lingers(runner: &mut dyn Runner) -> bool {
    let user = rustix::process::getuid().as_raw().to_string();
    let shown = runner.run("loginctl", &["show-user", &user, "--property=Linger"]);
    shown.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == "Linger=yes")
}
