//! The part of JSON Schema that docs/report.schema.json uses. An unknown keyword is an error.

use serde_json::Value;

/// What is wrong with `value`.
pub fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(schema, schema, value, "", &mut errors);
    errors
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let keywords = schema.as_object().expect("a schema");
    let mut fail = |why: String| errors.push(format!("{at}: {why}"));
    for (keyword, wanted) in keywords {
        match &**keyword {
            "$schema" | "title" | "description" | "$defs" | "properties" | "items" | "$ref"
            | "anyOf" => {}
            "type" if wanted.as_str().is_some_and(|wanted| is(value, wanted)) => {}
            "type" => fail(format!("is no {wanted}")),
            "const" if wanted == value => {}
            "const" => fail(format!("is not {wanted}")),
            "enum" if wanted.as_array().is_some_and(|all| all.contains(value)) => {}
            "enum" => fail(format!("{value} is none of {wanted}")),
            "minItems" | "maxItems" => {
                let count = value.as_array().map_or(0, Vec::len) as u64;
                let wanted = wanted.as_u64().expect("a number");
                if (keyword == "minItems" && count < wanted)
                    || (keyword == "maxItems" && count > wanted)
                {
                    fail(format!("{keyword} {wanted}"));
                }
            }
            "required" => {
                for key in wanted.as_array().expect("a list") {
                    if value.get(key.as_str().expect("a name")).is_none() {
                        fail(format!("{key} is missing"));
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(wanted, false, "nothing else is used");
                for key in value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys())
                {
                    if schema["properties"].get(key).is_none() {
                        fail(format!("{key} is not known"));
                    }
                }
            }
            _ => panic!("{keyword} is not known here"),
        }
    }
    if let Some(name) = schema["$ref"].as_str() {
        let path = name.strip_prefix('#').expect("one of ours");
        check(
            root,
            root.pointer(path).expect("a definition"),
            value,
            at,
            errors,
        );
    }
    if let Some(all) = schema["anyOf"].as_array() {
        let fits = |one: &Value| {
            let mut errors = Vec::new();
            check(root, one, value, at, &mut errors);
            errors
        };
        let wrong: Vec<_> = all.iter().map(fits).collect();
        if wrong.iter().all(|errors| !errors.is_empty()) {
            errors.extend(wrong.into_iter().flatten());
        }
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(key) {
            check(root, schema, value, &format!("{at}/{key}"), errors);
        }
    }
    if let Some(items) = schema.get("items") {
        for (i, value) in value.as_array().into_iter().flatten().enumerate() {
            check(root, items, value, &format!("{at}/{i}"), errors);
        }
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "null" => value.is_null(),
        _ => panic!("{wanted} is not known here"),
    }
}
