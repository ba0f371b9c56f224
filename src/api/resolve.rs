//! Which model a request means by its name, when OCI's lists may be on their way: right after a start a request waits for them a
//! moment, and no other does.

use crate::api::Live;
use crate::names::ModelName;
use crate::openai::error::ApiError;
use crate::translate::models::{ModelTarget, Purpose};

impl Live {
    /// The model of that name, else the default one.
    ///
    /// # Errors
    /// 404; 503 as long as a list of models could not be had, in which it may stand.
    pub(crate) fn resolve(&self, name: &str) -> Result<(ModelName, ModelTarget), ApiError> {
        let models = &self.settings.models;
        let owned = |(name, target): (&ModelName, &ModelTarget)| (name.clone(), target.clone());
        if !models.is_auto() {
            let found = models.resolve(name).map(owned);
            return found.ok_or_else(|| ApiError::unknown_model(name));
        }
        let listed = |name: &str| {
            let listed = self.dispatch.await_model(name)?;
            Some((listed.name, models.of_listed(listed.target)))
        };
        let find = |name: &str| models.find(name).map(owned).or_else(|| listed(name));
        let found = find(name).or_else(|| find(models.default_model()?));
        found.ok_or_else(|| self.unknown(name))
    }

    /// The same, if it can be asked for this.
    ///
    /// # Errors
    /// As above; 400 for a model that is for something else, 404 where the default one is.
    pub(super) fn resolve_for(
        &self,
        name: &str,
        purpose: Purpose,
    ) -> Result<(ModelName, ModelTarget), ApiError> {
        let (found, target) = self.resolve(name)?;
        target.must_be_for(purpose, name, &found)?;
        Ok((found, target))
    }

    /// The answer to who names a model that is not known.
    pub(super) fn unknown(&self, name: &str) -> ApiError {
        let is_auto = self.settings.models.is_auto();
        match self.dispatch.incomplete_for().filter(|_| is_auto) {
            Some(wait) => ApiError::models_unknown(wait),
            None => ApiError::unknown_model(name),
        }
    }

    /// The first model that answers chats; of those that all accounts list, if there is one.
    pub(super) fn first_chat(&self) -> Option<(ModelName, ModelTarget)> {
        let models = &self.settings.models;
        let chats = || {
            models
                .iter()
                .filter(|(_, target)| models.capabilities(target).chat)
        };
        let (view, _) = self.dispatch.view();
        let is_everywhere = |target: &ModelTarget| {
            let mut seats = view.seats.iter();
            !seats.any(|seat| seat.unlisted.contains(target.id()))
        };
        let found = chats().find(|(_, target)| is_everywhere(target));
        let found = found.or_else(|| chats().next());
        found.map(|(name, target)| (name.clone(), target.clone()))
    }

    /// Whether the first lists are on their way.
    pub(super) fn awaits_lists(&self) -> bool {
        self.settings.models.is_auto() && self.dispatch.awaits_lists()
    }

    /// Takes over what the accounts list now.
    pub(super) fn takes_lists(&mut self) {
        let models = &mut self.settings.models;
        models.set_listed(self.dispatch.discovered());
        self.dispatch.figures().set_models(models.names());
    }
}
