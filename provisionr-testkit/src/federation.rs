//! One fake as the identity provider of another: who is assigned an app there gets an account here.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::fake::Fake;
use crate::link::{Act, ActError, FakeEvent};
use crate::system::FakeSystem;

/// An app of an identity provider, and how accounts come about in the system behind it.
///
/// With [`provisioning`](Self::provisioning) the identity provider makes the account some time after the app is assigned, and
/// switches it off some time after the app is taken away or the person deactivated, as Okta does
/// (<https://help.okta.com/oie/en-us/content/topics/provisioning/lcm/lcm-automatic-deactivate.htm>). The fake behind the app is
/// told by its acts `provision_user` and `deprovision_user`; each documents what it makes of them. Both are idempotent.
///
/// With [`first_login`](Self::first_login) the account is made when the person opens the app for the first time (Okta's act
/// `open_app`), by the fake's act `saml_login`, and nothing ever switches it off.
///
/// The acts get `login`, `email`, `first_name`, `last_name` and `external_id` of the person at the identity provider (`saml_login`
/// gets `extern_uid` and `name` instead of the last three), and whatever is added by [`with`](Self::with).
///
/// ```
/// use std::time::Duration;
///
/// use provisionr_testkit::{Federation, FakeClock, FakeSystem, OktaFake, SalesforceFake};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = FakeClock::new();
/// let apps = serde_json::json!({ "apps": [{ "name": "salesforce", "label": "Salesforce" }] });
/// let okta = FakeSystem::with_clock(OktaFake::new().with_user("sarah@company.com").seeded(&apps), clock.clone());
/// let salesforce = FakeSystem::with_clock(SalesforceFake::new(), clock);
/// let app = Federation::provisioning("Salesforce", Duration::from_secs(90)).with("profile", "Standard User");
/// okta.federate(app, &salesforce).unwrap();
///
/// okta.assigns_app("sarah@company.com", "Salesforce").unwrap();
/// assert_eq!(salesforce.profile_of("sarah@company.com"), None);
/// tokio::time::advance(Duration::from_secs(90)).await;
/// assert_eq!(salesforce.profile_of("sarah@company.com").as_deref(), Some("Standard User"));
/// # }
/// ```
///
/// In a seed file it is one line: `{ from: okta, app: Salesforce, to: salesforce, after_ms: 90000, args: { profile: Standard User } }`.
#[derive(Clone, Debug)]
#[must_use]
pub struct Federation {
    app: String,
    way: Way,
    args: Map<String, Value>,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Provisioning(Duration),
    FirstLogin,
}

impl Federation {
    /// The identity provider makes and switches off accounts, each so long after it has a reason to.
    pub fn provisioning(app: impl Into<String>, after: Duration) -> Self {
        Self { app: app.into(), way: Way::Provisioning(after), args: Map::new() }
    }

    /// The account is made at the first login through the app.
    pub fn first_login(app: impl Into<String>) -> Self {
        Self { app: app.into(), way: Way::FirstLogin, args: Map::new() }
    }

    /// Adds an argument to the acts: `profile` for Salesforce, `group` for gitlab.com.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }
}

impl<F: Fake + ?Sized> FakeSystem<F> {
    /// Makes this fake the identity provider of another. Both should go by one clock.
    ///
    /// # Errors
    /// When this fake is no identity provider, or has no such app.
    pub fn federate(&self, federation: Federation, target: impl Into<FakeSystem>) -> Result<(), ActError> {
        let Federation { app, way, args } = federation;
        let features: &[&str] = match way {
            Way::Provisioning(_) => &["PUSH_NEW_USERS", "PUSH_USER_DEACTIVATION"],
            Way::FirstLogin => &[],
        };
        let known = self.act(Act::new("integrate_app", json!({ "app": app, "features": features })))?;
        let id = known.get("app").and_then(Value::as_str).unwrap_or_default().to_owned();
        let target = target.into();
        let on = |kind: &str, act: &'static str, after: Duration, told: fn(&FakeEvent) -> Value| {
            let (id, args) = (id.clone(), args.clone());
            self.link(kind, &target, move |event| {
                (event.text("app") == id).then(|| {
                    let mut told = told(event);
                    if let Value::Object(fields) = &mut told {
                        fields.extend(args.clone());
                    }
                    Act::new(act, told).after(after)
                })
            });
        };
        match way {
            Way::Provisioning(after) => {
                on("app.user_provisioned", "provision_user", after, person);
                on("app.user_deprovisioned", "deprovision_user", after, person);
            }
            Way::FirstLogin => on("app.user_signed_in", "saml_login", Duration::ZERO, assertion),
        }
        Ok(())
    }
}

fn attribute<'e>(event: &'e FakeEvent, name: &str) -> &'e str {
    event.data.pointer(&format!("/profile/{name}")).and_then(Value::as_str).unwrap_or_default()
}

fn person(event: &FakeEvent) -> Value {
    json!({
        "login": event.text("login"),
        "email": event.text("email"),
        "first_name": attribute(event, "firstName"),
        "last_name": attribute(event, "lastName"),
        "external_id": event.text("user"),
    })
}

/// What a SAML assertion says of a person.
fn assertion(event: &FakeEvent) -> Value {
    let name = format!("{} {}", attribute(event, "firstName"), attribute(event, "lastName"));
    json!({ "extern_uid": event.text("login"), "email": event.text("email"), "name": name.trim() })
}
