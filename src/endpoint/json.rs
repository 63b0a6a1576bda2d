//! Writing JSON, field by field.

use super::chunked_buffer::ChunkedBuffer;

/// What has a form in JSON: an object.
pub(super) trait View {
    /// Writes its fields.
    fn fields(&self, object: &mut Object<'_>);
}

/// An object that is being written.
pub(super) struct Object<'o> {
    out: &'o mut ChunkedBuffer,
    /// What comes before the next field: the beginning of the object, or a comma.
    mark: &'static str,
}

impl Object<'_> {
    /// Writes a view.
    pub(super) fn write(view: &dyn View, out: &mut ChunkedBuffer) {
        let mut object = Object { out, mark: "{" };
        view.fields(&mut object);
        let end = if object.mark == "{" { "{}" } else { "}" };
        out.push(end);
    }

    /// A field whose value follows. Names need no escaping.
    fn name(&mut self, name: &str) {
        for part in [self.mark, "\"", name, "\":"] {
            self.out.push(part);
        }
        self.mark = ",";
    }

    /// A field with a value that is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push(json);
    }

    pub(super) fn null(&mut self, name: &str) {
        self.raw(name, "null");
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    pub(super) fn whole(&mut self, name: &str, value: u64) {
        self.raw(name, &value.to_string());
    }

    /// A number that is written already.
    pub(super) fn number(&mut self, name: &str, written: &str) {
        self.raw(name, written);
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        // A text can always be written.
        self.raw(name, &serde_json::to_string(value).unwrap_or_default());
    }

    pub(super) fn object(&mut self, name: &str, view: &dyn View) {
        self.name(name);
        Object::write(view, self.out);
    }

    pub(super) fn list(&mut self, name: &str, views: &mut dyn Iterator<Item = &dyn View>) {
        self.name(name);
        let mut mark = "[";
        for view in &mut *views {
            self.out.push(mark);
            Object::write(view, self.out);
            mark = ",";
        }
        self.out.push(if mark == "[" { "[]" } else { "]" });
    }

    /// A text, or null.
    pub(super) fn text_or_null(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A number, or null.
    pub(super) fn whole_or_null(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.whole(name, value),
            None => self.null(name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Nothing;
    impl View for Nothing {
        fn fields(&self, _: &mut Object<'_>) {}
    }

    struct All;
    impl View for All {
        fn fields(&self, object: &mut Object<'_>) {
            object.null("null");
            object.flag("flag", true);
            object.whole("whole", u64::MAX);
            object.number("number", "0.54");
            object.text("text", "\"\\\n\u{0}\u{e4}\u{1f980}\u{2028}");
            object.object("object", &Nothing);
            object.list("none", &mut [].into_iter());
            object.list("list", &mut [&Nothing as &dyn View, &Nothing].into_iter());
            object.text_or_null("no text", None);
            object.whole_or_null("no number", None);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut out = ChunkedBuffer::default();
        Object::write(&All, &mut out);
        let value: serde_json::Value = serde_json::from_str(&out.into_text()).unwrap();
        let expected = serde_json::json!({
            "null": null, "flag": true, "whole": u64::MAX, "number": 0.54, "text": "\"\\\n\u{0}\u{e4}\u{1f980}\u{2028}",
            "object": {}, "none": [], "list": [{}, {}], "no text": null, "no number": null,
        });
        assert_eq!(value, expected);
    }
}
