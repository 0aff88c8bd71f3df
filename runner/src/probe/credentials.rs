//! What the gateway is shown: token and password from the command line, the environment or the config, in the reference's
//! order; and the device that the installation is paired as, where there is neither.

use serde_json::Value;

use super::Options;
use super::device::Device;
use super::url::Address;
use crate::config::{Config, SecretString};
use crate::target::{Environment, Located, js_trim};

/// Secrets that are at least so long are masked whatever they are made of; those of one to three letters would mask every
/// word.
const SHORTEST_OWN: usize = 4;
/// Other secrets are masked from this length on, where they are no plain words, as in all that the audit prints.
const SHORTEST_OTHER: usize = 8;

/// What the gateway is shown.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub token: Option<SecretString>,
    pub password: Option<SecretString>,
    /// The paired device, where there is no secret that is shared.
    pub device: Option<Device>,
    /// Something was not used because it does not belong to a target that was named on the command line.
    pub withheld: bool,
    /// What no text may show.
    pub hidden: Vec<SecretString>,
}

/// A variable was left out: it is not the target's.
pub(super) struct Withheld;

/// The value of a variable that may be used.
pub(super) fn variable<'e>(
    located: &Located,
    environment: &'e Environment,
    name: &str,
) -> Result<Option<&'e str>, Withheld> {
    let Some(value) = environment.non_blank(name) else { return Ok(None) };
    match environment.origin(name) {
        Some(origin) if located.may_use(origin) => Ok(Some(value)),
        _ => Err(Withheld),
    }
}

impl Credentials {
    /// Gathers them for an address.
    pub fn of(
        located: &Located,
        environment: &Environment,
        config: &Config,
        options: &Options,
        address: &Address,
    ) -> Self {
        let mut withheld = false;
        let mut one = |flag: &Option<SecretString>, name: Option<&str>, pointer: &str| {
            if let Some(flag) = flag {
                return Some(flag.clone());
            }
            match name.map_or(Ok(None), |name| variable(located, environment, name)) {
                Ok(Some(value)) => return Some(SecretString::new(value)),
                Ok(None) => {}
                Err(Withheld) => withheld = true,
            }
            let value = config.effective.pointer(pointer).and_then(Value::as_str).map(js_trim);
            let value = value.filter(|value| !value.is_empty())?;
            let all_its_own = config.variables(pointer).all(|origin| located.may_use(origin));
            withheld |= !all_its_own || super::lacks_variable(located, config, pointer);
            // Where a variable is missing, what stands there is its name.
            (all_its_own && !config.is_unset(pointer)).then(|| SecretString::new(value))
        };
        let section = if address.remote { "/gateway/remote" } else { "/gateway/auth" };
        // The token of the environment is the local gateway's (reference: state-checks 9.2).
        let token_variable = (!address.remote).then_some("OPENCLAW_GATEWAY_TOKEN");
        let token = one(&options.token, token_variable, &format!("{section}/token"));
        let password =
            one(&options.password, Some("OPENCLAW_GATEWAY_PASSWORD"), &format!("{section}/password"));
        let secretless = token.is_none() && password.is_none();
        let device = Device::of(located).filter(|_| secretless && located.may_use_state());
        let mut credentials = Self { token, password, device, withheld, hidden: Vec::new() };
        credentials.hidden = credentials.hidden(config, address);
        credentials
    }

    fn hidden(&self, config: &Config, address: &Address) -> Vec<SecretString> {
        let device = self.device.as_ref().map(|device| device.token.clone());
        let own = [self.token.clone(), self.password.clone(), device].into_iter().flatten();
        let login = address.login.iter().flat_map(|(name, password)| [name, password]);
        let own = own.chain(login.map(SecretString::new));
        let other = config.secrets.iter().map(|secret| SecretString::new(js_trim(secret.value.expose())));
        let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let other = other.filter(|secret| {
            let text = secret.expose();
            text.len() >= SHORTEST_OTHER && !is_word(text)
        });
        let mut hidden: Vec<SecretString> =
            own.filter(|secret| secret.expose().len() >= SHORTEST_OWN).chain(other).collect();
        // One secret may be a part of another.
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        hidden
    }
}
