//! The sandbox that the whole run lives in.
//!
//! The test binary starts itself again inside fresh namespaces: network (so that nothing can
//! reach the machine's interfaces), mount, host name and processes. As an ordinary user a
//! user namespace comes first, in which we are root. The first process of the process
//! namespace is a shell that waits for the run: when it ends, or is killed, the kernel kills
//! every process the tests left.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Holds the network namespace outside, so that the inner run can see that it is inside.
const OUTSIDE: &str = "SALUT_TEST_OUTSIDE";

/// Runs inside or not at all: comes back with `Ok` in the inner run, with the reason where
/// namespaces cannot be made, and does not come back where it starts the inner run.
pub fn enter() -> Result<(), String> {
    let here = fs::read_link("/proc/self/ns/net").map_err(|error| format!("/proc/self/ns/net: {error}"))?;
    if let Some(outside) = env::var_os(OUTSIDE) {
        return if Path::new(&outside) == here {
            Err(format!("{OUTSIDE} is set, but this is the network namespace it names"))
        } else {
            Ok(())
        };
    }
    for (tool, package) in [("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")] {
        if find_program(tool).is_none() {
            return Err(format!("needs the program `{tool}` (package {package})"));
        }
    }
    // Some systems let everybody make a user namespace and then allow nothing in it.
    let probe = "mount -t tmpfs tmpfs /run && ip link add v0 type veth peer name v1 && unshare -nmu true";
    let tried = sandboxed().args(["sh", "-c", probe]).stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot make network namespaces here: {}", said.trim().replace('\n', "; ")));
        }
        Err(error) => return Err(format!("unshare: {error}")),
    }
    let myself = env::current_exe().map_err(|error| format!("current_exe: {error}"))?;
    // The shell must stay, it is what everything dies with: hence the second command.
    let error = sandboxed()
        .args(["sh", "-c", r#""$@"; exit $?"#, "sh"])
        .arg(myself)
        .args(env::args_os().skip(1))
        .env(OUTSIDE, here)
        .exec();
    Err(format!("unshare: {error}"))
}

fn sandboxed() -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

/// Where a program is, by `PATH` and the places for system programs that a user's `PATH` lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|dir| dir.join(name)).find(|file| file.is_file())
}
