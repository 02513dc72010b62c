//! What the rules say of accounts, against what their system can do and knows.

use provisionr_sdk::{Ability, AccountState, Attribute, Descriptor, Suspension, SystemName};

use super::super::diagnostic::{DiagnosticCode, did_you_mean, quoted};
use super::super::lifecycle::{Cannot, Cut, OnLeave};
use super::super::read::SystemPlaces;
use super::super::source::{Located, Place};
use super::super::topology::{AccountOrigin, Ownership, ProfileMapping, SystemTopology};
use super::Checker;

/// One system: what is said of it, where, and what it declares itself.
struct System<'r, 'd> {
    topology: &'r SystemTopology,
    places: &'r SystemPlaces,
    descriptor: &'d Descriptor,
    /// Its name for messages.
    shown: String,
}

impl System<'_, '_> {
    /// Whether its accounts are made, or people invited, by us.
    fn ours(&self) -> bool {
        match self.topology.accounts {
            Some(origin) => matches!(origin, AccountOrigin::Create | AccountOrigin::Invite),
            None => self.descriptor.has(&Ability::CreateAccount),
        }
    }

    fn reaches(&self, state: AccountState) -> bool {
        self.descriptor.accounts.transitions.iter().any(|transition| transition.to == state)
    }
}

impl<'r> Checker<'r, '_> {
    pub(super) fn system(&mut self, name: &SystemName, place: Place, topology: &'r SystemTopology, places: &'r SystemPlaces) {
        for after in &places.after {
            if !self.systems.contains_key(&*after.value) {
                self.unknown_system(&after.value, after.place);
            }
        }
        let Some(descriptor) = self.systems.get(name.as_str()).copied() else {
            return self.unknown_system(name.as_str(), place);
        };
        let system = System { topology, places, descriptor, shown: quoted(name.as_str()) };
        self.origin(&system);
        self.keys(&system);
        for account in &places.profile {
            if let Some(mapping) = topology.profile.get(&*account.value) {
                self.attribute(&system, account, mapping);
            }
        }
        self.states(&system);
    }

    fn topology_problem(&mut self, place: Place, message: String, help: impl Into<Option<String>>) {
        self.problem(DiagnosticCode::InvalidTopology, place, message, help.into(), None);
    }

    /// Something no API of the system can do: a mistake, unless the rules leave such things to people.
    fn cannot(&mut self, system: &System<'_, '_>, place: Option<Place>, what: &str, instead: &str) {
        if let (Some(place), Cannot::Refuse) = (place, system.topology.cannot) {
            let help = format!("{instead}, or `cannot: by_hand` where somebody does it");
            self.topology_problem(place, format!("{} cannot {what}", system.shown), help);
        }
    }

    fn origin(&mut self, system: &System<'_, '_>) {
        let what = match system.topology.accounts {
            Some(AccountOrigin::Create) => Some("make accounts"),
            Some(AccountOrigin::Invite) => Some("invite people"),
            _ => None,
        };
        if let Some(what) = what
            && !system.descriptor.has(&Ability::CreateAccount)
        {
            self.cannot(system, system.places.accounts, what, "use `existing`, `first_login` or `federated`");
        }
        if let Some(place) = system.places.logins
            && !system.ours()
        {
            let message = format!("logins are chosen where accounts are made, and those of {} are not made by us", system.shown);
            self.topology_problem(place, message, "leave `logins` out, or use `accounts: create` or `accounts: invite`".to_owned());
        }
    }

    fn keys(&mut self, system: &System<'_, '_>) {
        let known: Vec<&str> = system.descriptor.accounts.keys.iter().map(|key| key.name).collect();
        for key in system.places.keys.iter().filter(|key| !known.contains(&&*key.value)) {
            let message = format!("{} finds no accounts by {}", system.shown, quoted(&key.value));
            self.topology_problem(key.place, message, did_you_mean(&key.value, known.clone()));
        }
        for (other, attribute) in &system.places.fields {
            let Some(descriptor) = self.systems.get(&**other).copied() else { continue };
            if !descriptor.accounts.attributes.iter().any(|known| known.name == &*attribute.value) {
                self.no_attribute(&quoted(other), attribute, &descriptor.accounts.attributes);
            }
        }
    }

    fn no_attribute(&mut self, shown: &str, attribute: &Located<Box<str>>, known: &[Attribute]) {
        let help = did_you_mean(&attribute.value, known.iter().map(|attribute| attribute.name).collect::<Vec<_>>());
        self.topology_problem(attribute.place, format!("accounts of {shown} have no attribute {}", quoted(&attribute.value)), help);
    }

    fn attribute(&mut self, system: &System<'_, '_>, account: &Located<Box<str>>, mapping: &ProfileMapping) {
        let attributes = &system.descriptor.accounts.attributes;
        let shown = quoted(&account.value);
        let Some(attribute) = attributes.iter().find(|attribute| attribute.name == &*account.value) else {
            return self.no_attribute(&system.shown, account, attributes);
        };
        if !attribute.writable {
            self.topology_problem(account.place, format!("{shown} of {} cannot be written", system.shown), None);
        } else if mapping.own == Ownership::Never {
            if attribute.required && system.ours() {
                let message = format!("no account of {} can be made without {shown}", system.shown);
                self.topology_problem(account.place, message, "use `own: create`, so that it is only set then".to_owned());
            }
        } else if mapping.from.is_none() && attribute.from.is_none() {
            let message = format!("nothing says what {shown} of {} is filled with", system.shown);
            self.topology_problem(account.place, message, "add `from:` with an attribute of the subject".to_owned());
        }
    }

    fn states(&mut self, system: &System<'_, '_>) {
        let SystemPlaces { on_leave, cut, deactivate_after, delete_after, .. } = system.places;
        let suspension = &system.descriptor.accounts.suspension;
        if system.topology.on_leave == OnLeave::Suspend && !matches!(suspension, Suspension::State(_)) {
            self.cannot(system, *on_leave, "suspend accounts", "use `keep`");
        }
        let (suspends, deactivates) = (*suspension != Suspension::None, system.reaches(AccountState::Deactivated));
        match system.topology.leaver.cut {
            Cut::Suspend if !suspends => {
                let instead = if deactivates { "use `deactivate` or `keep`" } else { "use `keep`" };
                self.cannot(system, *cut, "suspend accounts", instead);
            }
            Cut::Deactivate if !deactivates => {
                let instead = if suspends { "use `suspend` or `keep`" } else { "use `keep`" };
                self.cannot(system, *cut, "deactivate accounts", instead);
            }
            _ => {}
        }
        for (place, state, what) in
            [(deactivate_after, AccountState::Deactivated, "deactivate accounts"), (delete_after, AccountState::Deleted, "delete accounts")]
        {
            if !system.reaches(state) {
                self.cannot(system, *place, what, "leave it out");
            }
        }
    }
}
