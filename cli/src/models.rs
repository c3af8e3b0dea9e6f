//! What is taken from the models: the parameters that are shipped, and the numbers of Continuum's application,
//! which no `.cfg` has.

use std::sync::LazyLock;

use offing_models::{Application, ModelSet};
use offing_scenarios::continuum::AppNumbers;

/// The parameters of all models.
pub fn shipped() -> &'static ModelSet {
    static SHIPPED: LazyLock<ModelSet> = LazyLock::new(ModelSet::default);
    &SHIPPED
}

/// The application that every `.cfg` with requests runs.
pub fn image_classification() -> AppNumbers {
    let Application { process_s, prepare_s, message_bytes, frame, process, prepare, result, memory } =
        shipped().application("image_classification").expect("it is among the shipped parameters");
    AppNumbers { process_s, prepare_s, message_bytes, frame, process, prepare, result, memory }
}
