//! What a running world hands out to a user: its kubeconfig as a file, which holds a token and a key, and goes when the world does.

use std::{
    env, fs,
    future::Future,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::Sandbox;

/// The kubeconfig in a folder of its own, of a name that cannot be guessed and that nobody else may enter. Dropping it removes both.
#[derive(Debug)]
pub struct Handout {
    folder: PathBuf,
    file: PathBuf,
}

impl Handout {
    /// Writes the world's kubeconfig.
    ///
    /// # Errors
    /// When the temporary directory cannot be written to.
    pub fn of(sandbox: &Sandbox) -> io::Result<Self> {
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let folder = env::temp_dir().join(format!("podid-sandbox-{}", hex::encode(random)));
        let (mut make, mut open) = (fs::DirBuilder::new(), fs::File::options());
        open.write(true).create_new(true);
        #[cfg(unix)]
        {
            std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
            std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        }
        make.create(&folder)?;
        let handout = Self { file: folder.join("kubeconfig"), folder };
        open.open(&handout.file)?.write_all(sandbox.kubeconfig().as_bytes())?;
        Ok(handout)
    }

    /// Where the kubeconfig is.
    pub fn path(&self) -> &Path {
        &self.file
    }
}

impl Drop for Handout {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends when something asks the process to stop: SIGINT, SIGTERM or SIGHUP. They are heard from this call on, not only once it is
/// awaited. To be called on a runtime.
///
/// # Errors
/// When signals cannot be heard.
#[cfg(unix)]
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

/// As on Unix, of Ctrl-C.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
