//! What tests ask and do past the API, in Rust.

use serde_json::json;

use super::SlackFake;
use super::state::{SlackChannel, SlackTeam, SlackUser, SlackUsergroup};
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

impl SlackFake {
    /// A user by id, user name or e-mail address.
    pub fn user(&self, key: &str) -> Option<&SlackUser> {
        self.workspace.user(key)
    }

    /// All users, by id.
    pub fn users(&self) -> impl Iterator<Item = &SlackUser> {
        self.workspace.users.values()
    }

    /// A channel by id or name.
    pub fn channel(&self, key: &str) -> Option<&SlackChannel> {
        self.workspace.channel(key)
    }

    /// All channels, by id.
    pub fn channels(&self) -> impl Iterator<Item = &SlackChannel> {
        self.workspace.channels.values()
    }

    /// A user group by id or handle.
    pub fn usergroup(&self, key: &str) -> Option<&SlackUsergroup> {
        self.workspace.usergroup(key)
    }

    /// All user groups, by id.
    pub fn usergroups(&self) -> impl Iterator<Item = &SlackUsergroup> {
        self.workspace.usergroups.values()
    }

    /// The workspaces of the organisation, by id.
    pub fn teams(&self) -> impl Iterator<Item = &SlackTeam> {
        self.workspace.teams.values()
    }
}

impl FakeSystem<SlackFake> {
    /// A user by id, user name or e-mail address.
    pub fn user(&self, key: &str) -> Option<SlackUser> {
        self.with(|slack| slack.user(key).cloned())
    }

    /// A user's id.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.user(key).map(|user| user.id)
    }

    /// A channel's id, by its name.
    pub fn channel_id(&self, name: &str) -> Option<String> {
        self.with(|slack| slack.channel(name).map(|channel| channel.id.clone()))
    }

    /// A user group by id or handle.
    pub fn usergroup(&self, key: &str) -> Option<SlackUsergroup> {
        self.with(|slack| slack.usergroup(key).cloned())
    }

    /// The e-mail addresses of a channel's members, sorted, without bots; empty when there is no such channel.
    pub fn members(&self, channel: &str) -> Vec<String> {
        self.with(|slack| {
            let ids = slack.channel(channel).into_iter().flat_map(|channel| &channel.members);
            let people = ids.filter_map(|id| slack.user(id)).filter(|user| !user.bot);
            let mut emails: Vec<String> = people.map(|user| user.email.clone()).collect();
            emails.sort();
            emails
        })
    }

    /// The names of a user's channels, sorted.
    pub fn channels_of(&self, user: &str) -> Vec<String> {
        self.with(|slack| {
            let Some(user) = slack.user(user) else { return Vec::new() };
            let mut names: Vec<String> = slack.channels().filter(|channel| channel.members.contains(&user.id)).map(|channel| channel.name.clone()).collect();
            names.sort();
            names
        })
    }

    /// How many mails went to an address.
    pub fn mails_to(&self, email: &str) -> usize {
        self.events().iter().filter(|event| event.kind == "user.mail" && event.text("email") == email).count()
    }

    /// The person accepts the invitation to the workspace.
    ///
    /// # Errors
    /// When none is open.
    pub fn accept_invitation(&self, user: &str) -> Result<(), ActError> {
        self.act(Act::new("accept_invitation", json!({ "user": user }))).map(|_| ())
    }

    /// The person joins a channel by themselves.
    ///
    /// # Errors
    /// When there is no such user or channel.
    pub fn joins(&self, user: &str, channel: &str) -> Result<(), ActError> {
        self.act(Act::new("join_channel", json!({ "user": user, "channel": channel }))).map(|_| ())
    }

    /// The person leaves a channel by themselves.
    ///
    /// # Errors
    /// When there is no such user or channel.
    pub fn leaves(&self, user: &str, channel: &str) -> Result<(), ActError> {
        self.act(Act::new("leave_channel", json!({ "user": user, "channel": channel }))).map(|_| ())
    }
}
