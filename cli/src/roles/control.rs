//! What every role is told that has a controller: where that is, and who it is to it.

use std::path::PathBuf;

use clap::Args;
use isthmus_core::id::{InvalidId, SpiffeId, TrustDomain};
use isthmus_proxy::control::Config;

#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    /// Where the controller serves, host:port
    #[arg(long, env = "ISTHMUS_CONTROL_ADDR")]
    control_addr: String,
    /// Identity that the controller must show
    #[arg(long, env = "ISTHMUS_CONTROLLER_ID", value_parser = spiffe_id)]
    controller_id: SpiffeId,
    /// This mesh's trust domain
    #[arg(long, env = "ISTHMUS_TRUST_DOMAIN", default_value = "isthmus.local", value_parser = TrustDomain::new)]
    trust_domain: TrustDomain,
    /// Roots of the trust domain to begin with, PEM
    #[arg(long, env = "ISTHMUS_TRUST_BUNDLE", hide_env_values = true)]
    trust_bundle: String,
    /// File to keep the newest roots in, for the next start of the same pod
    #[arg(long, env = "ISTHMUS_TRUST_FILE")]
    trust_file: Option<PathBuf>,
    /// File with the ServiceAccount token for the audience `isthmus`
    #[arg(long, env = "ISTHMUS_TOKEN_FILE", default_value = "/var/run/secrets/isthmus/token")]
    token_file: PathBuf,
    /// The pod's namespace
    #[arg(long, env = "POD_NAMESPACE")]
    namespace: String,
    /// The pod's name
    #[arg(long, env = "POD_NAME")]
    pod: String,
}

impl From<ControlArgs> for Config {
    fn from(args: ControlArgs) -> Self {
        let mut config = Self::new(args.control_addr, args.controller_id, args.trust_domain);
        config.trust_bundle = args.trust_bundle;
        config.trust_file = args.trust_file;
        config.token_file = args.token_file;
        config.namespace = args.namespace;
        config.pod = args.pod;
        config
    }
}

fn spiffe_id(text: &str) -> Result<SpiffeId, InvalidId> {
    text.parse()
}
