//! Renders the WIT as a Markdown page.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use wit_component::WitPrinter;
use wit_parser::{
    Docs, Function, Interface, Stability, Type, TypeDef, TypeDefKind, World, WorldItem, WorldKey,
};

use super::Wit;

/// The page's file name in `wit/`.
pub const PAGE: &str = "README.md";

/// Renders the page.
///
/// # Errors
/// Fails if the WIT contains an item that the page cannot show.
pub fn page(wit: &Wit) -> Result<String> {
    let package = wit.package()?;
    let mut out = format!(
        "<!-- Rendered from the WIT by `cargo run -- wit`. -->\n\n# {}\n",
        package.name
    );
    paragraph(&mut out, &package.docs);
    for (name, &id) in &package.worlds {
        let world = wit
            .resolve
            .worlds
            .get(id)
            .context("the WIT refers to a world that it does not contain")?;
        write!(out, "\n## World `{name}`\n")?;
        paragraph(&mut out, &world.docs);
        since(&mut out, &world.stability)?;
        write!(
            out,
            "\n| imports | exports |\n| --- | --- |\n| {} | {} |\n",
            imports(wit, world),
            exports(wit, world)
        )?;
    }
    let mut interfaces = Vec::new();
    for (name, &id) in &package.interfaces {
        interfaces.push((
            name,
            wit.resolve
                .interfaces
                .get(id)
                .context("the WIT refers to an interface that it does not contain")?,
        ));
    }
    // Interfaces with functions come before interfaces with types.
    interfaces.sort_by_key(|(_, interface)| interface.functions.is_empty());
    for (name, interface) in interfaces {
        write!(out, "\n## Interface `{name}`\n")?;
        paragraph(&mut out, &interface.docs);
        since(&mut out, &interface.stability)?;
        render(wit, interface, &mut out)?;
    }
    Ok(out)
}

fn render(wit: &Wit, interface: &Interface, out: &mut String) -> Result<()> {
    for (name, function) in &interface.functions {
        write!(
            out,
            "\n### {name}\n\n```wit\n{}\n```\n",
            signature(wit, function)?
        )?;
        paragraph(out, &function.docs);
        since(out, &function.stability)?;
    }
    for (name, &id) in &interface.types {
        let definition = wit
            .resolve
            .types
            .get(id)
            .context("the WIT refers to a type that it does not contain")?;
        // The page describes an alias where its type is defined.
        if !matches!(definition.kind, TypeDefKind::Type(Type::Id(_))) {
            write!(out, "\n### {name}\n")?;
            paragraph(out, &definition.docs);
            since(out, &definition.stability)?;
            table(wit, definition, out)
                .with_context(|| format!("cannot render the type `{name}`"))?;
        }
    }
    Ok(())
}

/// Renders the parts of a type as a table.
fn table(wit: &Wit, definition: &TypeDef, out: &mut String) -> Result<()> {
    let kind = definition.kind.as_str();
    let rows: Vec<(&str, Option<Type>, &Docs)> = match &definition.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (field.name.as_str(), Some(field.ty), &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.ty, &case.docs))
            .collect(),
        TypeDefKind::Enum(cases) => cases
            .cases
            .iter()
            .map(|case| (case.name.as_str(), None, &case.docs))
            .collect(),
        TypeDefKind::Flags(flags) => flags
            .flags
            .iter()
            .map(|flag| (flag.name.as_str(), None, &flag.docs))
            .collect(),
        other => anyhow::bail!("the page cannot show a {}", other.as_str()),
    };
    let typed = rows.iter().any(|(_, ty, _)| ty.is_some());
    write!(
        out,
        "\n| {kind} |{} means |\n| --- |{} --- |\n",
        if typed { " type |" } else { "" },
        if typed { " --- |" } else { "" }
    )?;
    for (name, ty, docs) in rows {
        write!(out, "| `{name}` |")?;
        match ty {
            Some(ty) => write!(out, " {} |", linked(wit, &ty)?)?,
            None if typed => out.push_str(" |"),
            None => {}
        }
        writeln!(out, " {} |", cell(docs))?;
    }
    Ok(())
}

fn signature(wit: &Wit, function: &Function) -> Result<String> {
    let parameters = function
        .params
        .iter()
        .map(|one| Ok(format!("{}: {}", one.name, spelled(wit, &one.ty)?)));
    let parameters = parameters.collect::<Result<Vec<_>>>()?.join(", ");
    let result = function.result.map(|ty| spelled(wit, &ty)).transpose()?;
    let result = result.map(|ty| format!(" -> {ty}")).unwrap_or_default();
    let keyword = if function.kind.is_async() {
        "async func"
    } else {
        "func"
    };
    Ok(format!(
        "{}: {keyword}({parameters}){result};",
        function.name
    ))
}

/// Formats a type as WIT does.
fn spelled(wit: &Wit, ty: &Type) -> Result<String> {
    let mut printer = WitPrinter::default();
    printer.print_type_name(&wit.resolve, ty)?;
    Ok(printer.output.to_string())
}

/// Formats a type as WIT does, with links to this package's types.
fn linked(wit: &Wit, ty: &Type) -> Result<String> {
    let spelled = spelled(wit, ty)?;
    let name = named(wit, ty);
    Ok(name.map_or_else(
        || format!("`{spelled}`"),
        |name| format!("[`{spelled}`](#{name})"),
    ))
}

fn named<'a>(wit: &'a Wit, ty: &Type) -> Option<&'a str> {
    let Type::Id(id) = ty else {
        return None;
    };
    let definition = wit.resolve.types.get(*id)?;
    match (&definition.name, &definition.kind) {
        (Some(name), _) => Some(name),
        (None, TypeDefKind::Option(inner) | TypeDefKind::List(inner)) => named(wit, inner),
        _ => None,
    }
}

fn imports(wit: &Wit, world: &World) -> String {
    names(wit, &mut world.imports.iter())
}

fn exports(wit: &Wit, world: &World) -> String {
    names(wit, &mut world.exports.iter())
}

fn names(wit: &Wit, items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>) -> String {
    let mut names: Vec<_> = items
        .map(|(key, _)| format!("`{}`", wit.resolve.name_world_key(key)))
        .collect();
    names.sort();
    names.join("<br>")
}

fn paragraph(out: &mut String, docs: &Docs) {
    if let Some(text) = &docs.contents {
        out.push('\n');
        out.push_str(text.trim());
        out.push('\n');
    }
}

/// Omits the first version, because most items have it.
fn since(out: &mut String, stability: &Stability) -> Result<()> {
    match stability {
        Stability::Stable { since, deprecated } => {
            if since.to_string() != "0.1.0" {
                write!(out, "\nSince {since}.\n")?;
            }
            if let Some(deprecated) = deprecated {
                write!(out, "\nDeprecated since {deprecated}.\n")?;
            }
        }
        Stability::Unstable { feature, .. } => {
            write!(out, "\nUnstable: requires the feature `{feature}`.\n")?
        }
        Stability::Unknown => {}
    }
    Ok(())
}

/// Formats docs as a table cell.
fn cell(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default().trim();
    let paragraphs = text.split("\n\n").map(|paragraph| {
        paragraph
            .split('\n')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    });
    paragraphs
        .collect::<Vec<_>>()
        .join("<br><br>")
        .replace('|', "\\|")
}
