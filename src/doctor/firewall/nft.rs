//! The output of `nft -j list ruleset` (libnftables-json(5)).

use std::ops::RangeInclusive;

use serde_json::Value;

use super::{Condition, Firewall, Rule, Ruleset, Target};

/// Adds the rules of a text. The answer says whether it was one of nft.
pub fn add(firewall: &mut Firewall, text: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let Some(objects) = document["nftables"].as_array() else {
        return false;
    };
    // Both families have an answer: without a chain everything passes.
    let families = [&mut firewall.v4, &mut firewall.v6].map(Option::get_or_insert_default);
    for (rules, family) in families.into_iter().zip(["ip", "ip6"]) {
        let is_of = |object: &Value| {
            [family, "inet"]
                .map(Some)
                .contains(&object["family"].as_str())
        };
        let named = |name: &str| {
            objects
                .iter()
                .filter_map(|it| it.get(name))
                .collect::<Vec<_>>()
        };
        for chain in named("chain").into_iter().filter(|it| is_of(it)) {
            add_chain(rules, chain);
        }
        for rule in named("rule").into_iter().filter(|it| is_of(it)) {
            add_rule(rules, rule);
        }
    }
    true
}

/// Chains of two tables may have the same name.
fn name(object: &Value, chain: &str) -> String {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {chain}", text("family"), text("table"))
}

fn add_chain(rules: &mut Ruleset, chain: &Value) {
    let name = name(chain, chain["name"].as_str().unwrap_or_default());
    if chain["hook"] == "input" && chain["type"] == "filter" {
        let policy = match chain["policy"].as_str() {
            Some("drop") => Target::Drop,
            _ => Target::Accept,
        };
        rules.bases.push((name.clone(), policy));
    }
    rules.chains.entry(name).or_default();
}

fn add_rule(rules: &mut Ruleset, object: &Value) {
    let chain = name(object, object["chain"].as_str().unwrap_or_default());
    let expressions = object["expr"].as_array().map_or(&[][..], Vec::as_slice);
    let (mut conditions, mut target) = (Vec::new(), Target::Next);
    for expression in expressions {
        let Some((kind, value)) = expression.as_object().and_then(|it| it.iter().next()) else {
            conditions.push(Condition::Perhaps);
            continue;
        };
        let other = |value: &Value| name(object, value["target"].as_str().unwrap_or_default());
        match kind.as_str() {
            "match" => conditions.extend(conditions_of(value)),
            "accept" => target = Target::Accept,
            "drop" | "reject" => target = Target::Drop,
            "return" => target = Target::Return,
            "jump" => target = Target::Jump(other(value)),
            "goto" => target = Target::Goto(other(value)),
            "counter" | "log" | "mangle" => {}
            "dnat" | "redirect" => {
                let ports = conditions.iter().find_map(|condition| match condition {
                    Condition::Ports(ports) => Some(ports.clone()),
                    _ => None,
                });
                rules
                    .forwarded
                    .extend(ports.unwrap_or_else(|| vec![0..=u16::MAX]));
            }
            // A limit, a map of verdicts, and what there may be besides.
            "vmap" => {
                conditions.push(Condition::Perhaps);
                target = Target::Jump(String::new());
            }
            _ => conditions.push(Condition::Perhaps),
        }
    }
    let rule = Rule { conditions, target };
    rules.chains.entry(chain).or_default().push(rule);
}

/// Nothing for what holds for every connection from outside.
fn conditions_of(value: &Value) -> Vec<Condition> {
    let is_not = value["op"] == "!=";
    let (left, right) = (&value["left"], &value["right"]);
    let field = |kind: &str, key: &str| left[kind][key].as_str();
    let never = |is_never: bool| is_never.then_some(Condition::Never).into_iter().collect();
    let text = right.as_str().unwrap_or_default();
    if field("payload", "field") == Some("dport") {
        let ports = match ports(right) {
            Some(ports) if is_not => Condition::NotPorts(ports),
            Some(ports) => Condition::Ports(ports),
            None => Condition::Perhaps,
        };
        return match field("payload", "protocol") {
            Some("th") => vec![ports],
            Some(protocol) => vec![Condition::IsTcp(protocol == "tcp"), ports],
            None => vec![Condition::Perhaps],
        };
    }
    if field("payload", "field") == Some("saddr") {
        // Any source but one: the connection is from elsewhere.
        return never(!is_not);
    }
    if field("ct", "key") == Some("state") {
        return never(states(right).contains(&"new") == is_not);
    }
    match field("meta", "key") {
        Some("iifname" | "iif") if text == "lo" => never(!is_not),
        Some("l4proto") if text == "tcp" => vec![Condition::IsTcp(!is_not)],
        Some("l4proto") if text == "udp" => vec![Condition::IsTcp(is_not)],
        _ => vec![Condition::Perhaps],
    }
}

fn states(value: &Value) -> Vec<&str> {
    match value.as_array().or_else(|| value["set"].as_array()) {
        Some(states) => states.iter().filter_map(Value::as_str).collect(),
        None => value.as_str().into_iter().collect(),
    }
}

/// `80`, `{"set": [80, {"range": [90, 99]}]}`, `{"range": […]}`.
fn ports(value: &Value) -> Option<Vec<RangeInclusive<u16>>> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    if let Some(set) = value["set"].as_array() {
        let ports: Option<Vec<_>> = set.iter().map(ports).collect();
        return Some(ports?.into_iter().flatten().collect());
    }
    if let Some(range) = value["range"].as_array() {
        let [from, to] = &range[..] else {
            return None;
        };
        return Some(vec![port(from)?..=port(to)?]);
    }
    let port = port(value)?;
    Some(vec![port..=port])
}

#[cfg(test)]
mod tests;
