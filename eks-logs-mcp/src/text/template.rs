//! The template engine, set up for plain text.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde_json::Value;

/// An engine for texts: tags take no lines of their own, and what is not there is empty, also below it.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment
}

/// The text of a template with these values.
pub(crate) fn render(environment: &Environment<'_>, name: &str, values: &Value) -> Result<String, Error> {
    environment.get_template(name)?.render(Serde(values))
}
