//! Conditions in the Common Expression Language: `where` of a design space and `require` of a goal.
//!
//! The text is parsed by the `cel` crate and checked once: every name is known and every operation fits its
//! operands, so evaluating can fail only where a value is not there. What is evaluated millions of times is a
//! small tree of numbers, not CEL's dynamic values.
//!
//! One thing is wider than in CEL: whole numbers and fractions mix, so that `app.rate * 2` needs no
//! conversion. Between two whole numbers `/` and `%` are those of whole numbers, as in CEL. Left out are
//! macros (`all`, `exists`, `has`), maps, bytes and time stamps.

use cel::common::ast::{CallExpr, Expr as Cel, LiteralValue, operators};
use cel::parser::PrattParser;
use offing_core::units;

/// Longer conditions are refused: nesting costs stack.
const MOST_BYTES: usize = 1024;

/// A value that a condition meets.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A number, in base units.
    Number(f64),
    /// A word.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

/// A condition that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    names: Vec<String>,
    tree: Tree,
}

/// `metric <= limit`, the commonest kind of requirement.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The name of the metric.
    pub metric: String,
    /// Whether the metric must be at most the limit; at least otherwise.
    pub at_most: bool,
    /// Whether the limit itself is good enough.
    pub inclusive: bool,
    /// The number it is compared with.
    pub limit: f64,
}

/// What is wrong with a condition: at which byte of its text, what, and what to write instead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub offset: usize,
    pub message: String,
    pub hint: String,
}

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Whole,
    Number,
    Text,
    Bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Constant(Scalar),
    Variable(usize),
    Not(Box<Tree>),
    Negative(Box<Tree>),
    /// Truncates to a whole number.
    Truncate(Box<Tree>),
    And(Box<[Tree; 2]>),
    Or(Box<[Tree; 2]>),
    If(Box<[Tree; 3]>),
    /// Says whether the result is a whole number.
    Arithmetic(Arithmetic, bool, Box<[Tree; 2]>),
    Compare(Comparison, Box<[Tree; 2]>),
    In(Box<Tree>, Vec<Tree>),
    /// The smallest or the largest.
    Extreme(bool, Vec<Tree>),
    /// `startsWith`, `endsWith` or `contains`.
    Affix(Affix, Box<[Tree; 2]>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Affix {
    Start,
    End,
    Inside,
}

/// Says what a name means: its type, or what is wrong with it and what to write instead.
pub(crate) type Resolve<'r> = dyn FnMut(&str) -> Result<Type, (String, String)> + 'r;

impl Condition {
    pub(crate) fn parse(text: &str, resolve: &mut Resolve<'_>) -> Result<Self, Vec<Fault>> {
        if text.len() > MOST_BYTES {
            let hint = format!("write at most {MOST_BYTES} bytes, and several conditions instead of one");
            return Err(vec![Fault {
                offset: 0,
                message: format!("the condition has {} bytes", text.len()),
                hint,
            }]);
        }
        let parsed =
            PrattParser::new().max_recursion_depth(64).parse(text).map_err(|errors| syntax(text, &errors))?;
        let mut lowering = Lowering { text, resolve, names: Vec::new() };
        let (tree, kind) = lowering.expression(&parsed.expr).map_err(|fault| vec![fault])?;
        if kind != Type::Bool {
            let message = format!("this is {}, not a condition", what(kind));
            let hint = "compare it, for example with `<= 64`".into();
            return Err(vec![Fault { offset: 0, message, hint }]);
        }
        let names = lowering.names;
        Ok(Condition { text: text.into(), names, tree })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it reads, in the order that [`Condition::holds`] numbers them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it holds for these values. `value` is asked for names by their number and gives nothing where
    /// there is no value, as for the energy of nodes whose power is not known.
    ///
    /// # Errors
    /// The name without which the answer is open.
    pub fn holds(&self, value: &dyn Fn(usize) -> Option<Scalar>) -> Result<bool, String> {
        match self.tree.evaluate(value) {
            Ok(Scalar::Bool(holds)) => Ok(holds),
            Ok(_) => unreachable!("a condition was checked to be one"),
            Err(name) => Err(self.names[name].clone()),
        }
    }

    /// The limit that it sets, where it compares one metric with one number.
    pub fn limit(&self) -> Option<Limit> {
        let Tree::Compare(comparison, sides) = &self.tree else { return None };
        let (variable, limit, mirrored) = match sides.as_ref() {
            [Tree::Variable(variable), Tree::Constant(Scalar::Number(limit))] => (*variable, *limit, false),
            [Tree::Constant(Scalar::Number(limit)), Tree::Variable(variable)] => (*variable, *limit, true),
            _ => return None,
        };
        let (at_most, inclusive) = match comparison {
            Comparison::Less => (true, false),
            Comparison::AtMost => (true, true),
            Comparison::More => (false, false),
            Comparison::AtLeast => (false, true),
            Comparison::Equal | Comparison::Unequal => return None,
        };
        Some(Limit { metric: self.names[variable].clone(), at_most: at_most != mirrored, inclusive, limit })
    }
}

fn syntax(text: &str, errors: &cel::ParseErrors) -> Vec<Fault> {
    let fault = |error: &cel::ParseError| {
        let line = usize::try_from(error.pos.0 - 1).unwrap_or(0);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let offset =
            text.floor_char_boundary((start + usize::try_from(error.pos.1 - 1).unwrap_or(0)).min(text.len()));
        let message = in_words(error.msg.trim_start_matches("Syntax error: "));
        Fault {
            offset,
            message,
            hint: "write a condition such as `tier.edge.nodes * tier.edge.cores <= 64`".into(),
        }
    };
    // The first error is where the reader must look; the others are what it led to.
    errors.errors.first().map(fault).into_iter().collect()
}

/// A parser's message as a sentence.
fn in_words(message: &str) -> String {
    let message = message.replace('\'', "`").replace('\n', " ");
    match message.strip_prefix("mismatched input ").and_then(|rest| rest.split_once(" expecting ")) {
        Some(("`<EOF>`", expected)) => format!("the condition ends where an {expected} is expected"),
        Some((found, "<EOF>")) => format!("{found} is not expected here"),
        Some((found, expected)) => format!("{found} is found where {expected} is expected"),
        None => message.replace("<EOF>", "the end"),
    }
}

fn what(kind: Type) -> &'static str {
    match kind {
        Type::Whole | Type::Number => "a number",
        Type::Text => "a text",
        Type::Bool => "true or false",
    }
}

struct Lowering<'t, 'r> {
    text: &'t str,
    resolve: &'t mut Resolve<'r>,
    names: Vec<String>,
}

impl Lowering<'_, '_> {
    fn fault<T>(&self, near: &str, message: impl Into<String>, hint: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { offset: self.text.find(near).unwrap_or(0), message: message.into(), hint: hint.into() })
    }

    fn expression(&mut self, expression: &Cel) -> Result<(Tree, Type), Fault> {
        if let Some(path) = path(expression) {
            return self.variable(&path);
        }
        match expression {
            Cel::Literal(literal) => self.literal(literal),
            Cel::Call(call) => self.call(call),
            Cel::Comprehension(_) => self.fault(
                "",
                "`all`, `exists` and the like are not known here",
                "write conditions out with `&&` and `||`",
            ),
            Cel::Select(select) if select.test => self.fault(
                "has",
                "`has` is not known here",
                "a key that is not given counts with its default",
            ),
            Cel::List(_) => self.fault(
                "[",
                "a list can only stand after `in`",
                "for example `deploy.target in [\"edge\", \"cloud\"]`",
            ),
            _ => self.fault(
                "",
                "this kind of expression is not known here",
                "compare keys with numbers or texts",
            ),
        }
    }

    fn variable(&mut self, path: &str) -> Result<(Tree, Type), Fault> {
        match (self.resolve)(path) {
            Ok(kind) => {
                let at = self.names.iter().position(|name| name == path).unwrap_or_else(|| {
                    self.names.push(path.into());
                    self.names.len() - 1
                });
                Ok((Tree::Variable(at), kind))
            }
            Err((message, hint)) => {
                let first = path.split('.').next().unwrap_or(path);
                let near = if self.text.contains(path) { path } else { first };
                self.fault(near, format!("`{path}`: {message}"), hint)
            }
        }
    }

    fn literal(&self, literal: &LiteralValue) -> Result<(Tree, Type), Fault> {
        let (value, kind) = match literal {
            LiteralValue::Boolean(value) => (Scalar::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Scalar::Number(*value.inner() as f64), Type::Whole),
            LiteralValue::UInt(value) => (Scalar::Number(*value.inner() as f64), Type::Whole),
            LiteralValue::Double(value) => (Scalar::Number(*value.inner()), Type::Number),
            LiteralValue::String(value) => (Scalar::Text(value.inner().to_string()), Type::Text),
            LiteralValue::Bytes(_) | LiteralValue::Null => {
                return self.fault(
                    "",
                    "bytes and null are not known here",
                    "compare keys with numbers or texts",
                );
            }
        };
        Ok((Tree::Constant(value), kind))
    }

    fn call(&mut self, call: &CallExpr) -> Result<(Tree, Type), Fault> {
        let name = call.func_name.as_str();
        match (name, call.target.as_deref(), call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [a, b]) => {
                let pair = [self.expect(&a.expr, Type::Bool, "&&")?, self.expect(&b.expr, Type::Bool, "&&")?];
                Ok((Tree::And(Box::new(pair)), Type::Bool))
            }
            (operators::LOGICAL_OR, None, [a, b]) => {
                let pair = [self.expect(&a.expr, Type::Bool, "||")?, self.expect(&b.expr, Type::Bool, "||")?];
                Ok((Tree::Or(Box::new(pair)), Type::Bool))
            }
            (operators::LOGICAL_NOT, None, [a]) => {
                Ok((Tree::Not(Box::new(self.expect(&a.expr, Type::Bool, "!")?)), Type::Bool))
            }
            (operators::NEGATE, None, [a]) => {
                let (tree, kind) = self.number(&a.expr, "-")?;
                Ok((Tree::Negative(Box::new(tree)), kind))
            }
            (operators::CONDITIONAL, None, [condition, yes, no]) => {
                let condition = self.expect(&condition.expr, Type::Bool, "?")?;
                let (yes, a) = self.expression(&yes.expr)?;
                let (no, b) = self.expression(&no.expr)?;
                let kind = match common(a, b) {
                    Some(kind) => kind,
                    None => {
                        return self.fault(
                            "?",
                            format!("`?:` chooses between {} and {}", what(a), what(b)),
                            "give both the same kind",
                        );
                    }
                };
                Ok((Tree::If(Box::new([condition, yes, no])), kind))
            }
            (operators::IN, None, [item, list]) => self.is_in(&item.expr, &list.expr),
            ("min" | "max", None, [_, ..]) => {
                let mut whole = true;
                let mut items = Vec::new();
                for argument in &call.args {
                    let (tree, kind) = self.number(&argument.expr, name)?;
                    whole &= kind == Type::Whole;
                    items.push(tree);
                }
                Ok((Tree::Extreme(name == "min", items), if whole { Type::Whole } else { Type::Number }))
            }
            ("int", None, [a]) => Ok((Tree::Truncate(Box::new(self.number(&a.expr, name)?.0)), Type::Whole)),
            ("double", None, [a]) => Ok((self.number(&a.expr, name)?.0, Type::Number)),
            ("duration", None, [a]) => self.quantity(&a.expr, name, units::seconds),
            ("quantity", None, [a]) => self.quantity(&a.expr, name, units::bytes),
            ("startsWith" | "endsWith" | "contains", Some(target), [a]) => {
                let affix = match name {
                    "startsWith" => Affix::Start,
                    "endsWith" => Affix::End,
                    _ => Affix::Inside,
                };
                let pair =
                    [self.expect(&target.expr, Type::Text, name)?, self.expect(&a.expr, Type::Text, name)?];
                Ok((Tree::Affix(affix, Box::new(pair)), Type::Bool))
            }
            (_, None, [a, b]) if arithmetic(name).is_some() => {
                let (operation, sign) = arithmetic(name).expect("just asked");
                let (left, a) = self.number(&a.expr, sign)?;
                let (right, b) = self.number(&b.expr, sign)?;
                let whole = a == Type::Whole && b == Type::Whole;
                let kind = if whole { Type::Whole } else { Type::Number };
                Ok((Tree::Arithmetic(operation, whole, Box::new([left, right])), kind))
            }
            (_, None, [a, b]) if comparison(name).is_some() => {
                let (operation, sign) = comparison(name).expect("just asked");
                let (left, a) = self.expression(&a.expr)?;
                let (right, b) = self.expression(&b.expr)?;
                let ordered = !matches!(operation, Comparison::Equal | Comparison::Unequal);
                match common(a, b) {
                    Some(Type::Bool) if ordered => self.fault(
                        sign,
                        format!("`{sign}` does not order true and false"),
                        "write `==` or `!=`",
                    ),
                    Some(_) => Ok((Tree::Compare(operation, Box::new([left, right])), Type::Bool)),
                    None => {
                        let message = format!("`{sign}` compares {} with {}", what(a), what(b));
                        let hint = if [a, b].contains(&Type::Text) {
                            "write numbers in base units (seconds, bytes, bit/s), or `duration(\"5 ms\")`, `quantity(\"1 GiB\")`"
                        } else {
                            "compare things of the same kind"
                        };
                        self.fault(sign, message, hint)
                    }
                }
            }
            _ => {
                let hint =
                    "known are min, max, int, double, duration, quantity, startsWith, endsWith and contains";
                self.fault(
                    name,
                    format!("there is no function `{name}` for {} values here", call.args.len()),
                    hint,
                )
            }
        }
    }

    fn expect(&mut self, expression: &Cel, kind: Type, sign: &str) -> Result<Tree, Fault> {
        let (tree, found) = self.expression(expression)?;
        if found == kind {
            return Ok(tree);
        }
        self.fault(
            sign,
            format!("`{sign}` takes {}, not {}", what(kind), what(found)),
            "compare first, for example `load < 0.9 && stable`",
        )
    }

    fn number(&mut self, expression: &Cel, sign: &str) -> Result<(Tree, Type), Fault> {
        let (tree, kind) = self.expression(expression)?;
        if matches!(kind, Type::Whole | Type::Number) {
            return Ok((tree, kind));
        }
        self.fault(
            sign,
            format!("`{sign}` takes numbers, not {}", what(kind)),
            "write numbers in base units: seconds, bytes, bit/s",
        )
    }

    fn is_in(&mut self, item: &Cel, list: &Cel) -> Result<(Tree, Type), Fault> {
        let (item, kind) = self.expression(item)?;
        let Cel::List(list) = list else {
            return self.fault(
                " in ",
                "`in` needs a list",
                "for example `deploy.target in [\"edge\", \"cloud\"]`",
            );
        };
        let mut items = Vec::new();
        for element in &list.elements {
            let (tree, other) = self.expression(&element.expr)?;
            if common(kind, other).is_none() {
                return self.fault(
                    "[",
                    format!("the list has {}, and {} is looked for", what(other), what(kind)),
                    "give the list the same kind",
                );
            }
            items.push(tree);
        }
        Ok((Tree::In(Box::new(item), items), Type::Bool))
    }

    fn quantity(
        &mut self,
        expression: &Cel,
        name: &str,
        read: fn(&str) -> Result<f64, units::Refusal>,
    ) -> Result<(Tree, Type), Fault> {
        let Cel::Literal(LiteralValue::String(text)) = expression else {
            return self.fault(
                name,
                format!("`{name}` takes a text"),
                "for example `duration(\"5 ms\")` or `quantity(\"1 GiB\")`",
            );
        };
        match read(text.inner()) {
            Ok(value) => Ok((Tree::Constant(Scalar::Number(value)), Type::Number)),
            Err(refusal) => self.fault(name, refusal.message, refusal.hint),
        }
    }
}

/// The dotted path that an expression spells: `tier.edge.nodes`, `link["endpoint-cloud"].latency`,
/// `app.stage[0].work`.
fn path(expression: &Cel) -> Option<String> {
    match expression {
        Cel::Ident(name) => Some(name.clone()),
        Cel::Select(select) if !select.test => {
            Some(format!("{}.{}", path(&select.operand.expr)?, select.field))
        }
        Cel::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => {
            match args.as_slice() {
                [operand, index] => match &index.expr {
                    Cel::Literal(LiteralValue::String(name)) => {
                        Some(format!("{}.{}", path(&operand.expr)?, name.inner()))
                    }
                    Cel::Literal(LiteralValue::Int(number)) => {
                        Some(format!("{}.{}", path(&operand.expr)?, number.inner()))
                    }
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// The type of either, where a value of one can stand for the other.
fn common(a: Type, b: Type) -> Option<Type> {
    match (a, b) {
        (a, b) if a == b => Some(a),
        (Type::Whole | Type::Number, Type::Whole | Type::Number) => Some(Type::Number),
        _ => None,
    }
}

fn arithmetic(name: &str) -> Option<(Arithmetic, &'static str)> {
    Some(match name {
        operators::ADD => (Arithmetic::Add, "+"),
        operators::SUBSTRACT => (Arithmetic::Subtract, "-"),
        operators::MULTIPLY => (Arithmetic::Multiply, "*"),
        operators::DIVIDE => (Arithmetic::Divide, "/"),
        operators::MODULO => (Arithmetic::Remainder, "%"),
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<(Comparison, &'static str)> {
    Some(match name {
        operators::LESS => (Comparison::Less, "<"),
        operators::LESS_EQUALS => (Comparison::AtMost, "<="),
        operators::GREATER => (Comparison::More, ">"),
        operators::GREATER_EQUALS => (Comparison::AtLeast, ">="),
        operators::EQUALS => (Comparison::Equal, "=="),
        operators::NOT_EQUALS => (Comparison::Unequal, "!="),
        _ => return None,
    })
}

impl Tree {
    /// The value, or the number of the name that has none.
    fn evaluate(&self, value: &dyn Fn(usize) -> Option<Scalar>) -> Result<Scalar, usize> {
        Ok(match self {
            Tree::Constant(constant) => constant.clone(),
            Tree::Variable(at) => value(*at).ok_or(*at)?,
            Tree::Not(inner) => Scalar::Bool(!inner.bool(value)?),
            Tree::Negative(inner) => Scalar::Number(-inner.number(value)?),
            Tree::Truncate(inner) => Scalar::Number(inner.number(value)?.trunc()),
            // As in CEL, a side that decides makes the other's missing value harmless.
            Tree::And(sides) => Scalar::Bool(match (sides[0].bool(value), sides[1].bool(value)) {
                (Ok(false), _) | (_, Ok(false)) => false,
                (a, b) => a? && b?,
            }),
            Tree::Or(sides) => Scalar::Bool(match (sides[0].bool(value), sides[1].bool(value)) {
                (Ok(true), _) | (_, Ok(true)) => true,
                (a, b) => a? || b?,
            }),
            Tree::If(parts) => {
                let chosen = if parts[0].bool(value)? { &parts[1] } else { &parts[2] };
                chosen.evaluate(value)?
            }
            Tree::Arithmetic(operation, whole, sides) => {
                let (a, b) = (sides[0].number(value)?, sides[1].number(value)?);
                Scalar::Number(match operation {
                    Arithmetic::Add => a + b,
                    Arithmetic::Subtract => a - b,
                    Arithmetic::Multiply => a * b,
                    // Nothing compares as true with what is not a number.
                    Arithmetic::Divide | Arithmetic::Remainder if b == 0.0 => f64::NAN,
                    Arithmetic::Divide if *whole => (a / b).trunc(),
                    Arithmetic::Divide => a / b,
                    Arithmetic::Remainder => a % b,
                })
            }
            Tree::Compare(operation, sides) => {
                let (a, b) = (sides[0].evaluate(value)?, sides[1].evaluate(value)?);
                Scalar::Bool(compare(*operation, &a, &b))
            }
            Tree::In(item, items) => {
                let item = item.evaluate(value)?;
                let mut found = false;
                for other in items {
                    found |= compare(Comparison::Equal, &item, &other.evaluate(value)?);
                }
                Scalar::Bool(found)
            }
            Tree::Extreme(least, items) => {
                let mut extreme = items[0].number(value)?;
                for item in &items[1..] {
                    let number = item.number(value)?;
                    extreme = if *least { extreme.min(number) } else { extreme.max(number) };
                }
                Scalar::Number(extreme)
            }
            Tree::Affix(affix, sides) => match (sides[0].evaluate(value)?, sides[1].evaluate(value)?) {
                (Scalar::Text(text), Scalar::Text(part)) => Scalar::Bool(match affix {
                    Affix::Start => text.starts_with(&part),
                    Affix::End => text.ends_with(&part),
                    Affix::Inside => text.contains(&part),
                }),
                _ => Scalar::Bool(false),
            },
        })
    }

    fn number(&self, value: &dyn Fn(usize) -> Option<Scalar>) -> Result<f64, usize> {
        Ok(match self.evaluate(value)? {
            Scalar::Number(number) => number,
            Scalar::Text(_) | Scalar::Bool(_) => f64::NAN,
        })
    }

    fn bool(&self, value: &dyn Fn(usize) -> Option<Scalar>) -> Result<bool, usize> {
        Ok(self.evaluate(value)? == Scalar::Bool(true))
    }
}

fn compare(operation: Comparison, a: &Scalar, b: &Scalar) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (a, b) {
        (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match operation {
        Comparison::Less => order == Some(Less),
        Comparison::AtMost => matches!(order, Some(Less | Equal)),
        Comparison::More => order == Some(Greater),
        Comparison::AtLeast => matches!(order, Some(Greater | Equal)),
        Comparison::Equal => order == Some(Equal),
        Comparison::Unequal => order != Some(Equal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Condition, Vec<Fault>> {
        Condition::parse(text, &mut |name| match name {
            "nodes" | "tier.edge.nodes" => Ok(Type::Whole),
            "rate" | "missing" | "link.a-b.rate" => Ok(Type::Number),
            "target" => Ok(Type::Text),
            "stable" => Ok(Type::Bool),
            _ => Err(("unknown".into(), "try another".into())),
        })
    }

    fn holds(text: &str) -> Result<bool, String> {
        let condition = parse(text).expect(text);
        condition.holds(&|at| match condition.names()[at].as_str() {
            "nodes" | "tier.edge.nodes" => Some(Scalar::Number(7.0)),
            "rate" | "link.a-b.rate" => Some(Scalar::Number(2.5)),
            "target" => Some(Scalar::Text("cloud".into())),
            "stable" => Some(Scalar::Bool(true)),
            _ => None,
        })
    }

    #[test]
    fn conditions_say_what_cel_says() {
        for text in [
            "nodes / 2 == 3",
            "nodes % 4 == 3",
            "nodes / 2.0 == 3.5",
            "rate * 2 == 5",
            "-nodes < 0 && stable",
            "tier.edge.nodes * tier.edge.nodes <= 64",
            "link[\"a-b\"].rate >= 2.5",
            "target in [\"edge\", \"cloud\"]",
            "target == 'cloud' || nodes > 100",
            "!(target != 'cloud')",
            "(target == 'cloud' ? nodes : 0) == 7",
            "min(nodes, 3) == 3 && max(rate, nodes) == 7",
            "target.startsWith('cl') && target.endsWith('d') && target.contains('lou')",
            "rate > duration('5 ms') && quantity('1 KiB') == 1024",
            "int(rate) == 2 && double(nodes) / 2 == 3.5",
            "stable == true",
            "nodes / 0 == 1 || true",
        ] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
        for text in ["nodes / 0 >= 0", "nodes in []", "target > 'd'", "stable && nodes < 7"] {
            assert_eq!(holds(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn a_missing_value_is_named_unless_the_other_side_decides() {
        assert_eq!(holds("missing < 5"), Err("missing".into()));
        assert_eq!(holds("missing < 5 && nodes == 7"), Err("missing".into()));
        assert_eq!(holds("missing < 5 && nodes == 8"), Ok(false));
        assert_eq!(holds("missing < 5 || nodes == 7"), Ok(true));
    }

    #[test]
    fn faults_name_their_place() {
        let fault = |text: &str| parse(text).expect_err(text).remove(0);
        assert_eq!(
            (fault("nodes <= ").offset, fault("nodes <= ").message),
            (9, "the condition ends where an expression is expected".into())
        );
        assert_eq!(
            (fault("nodes < 3 && edges > 1").offset, fault("nodes < 3 && edges > 1").message),
            (13, "`edges`: unknown".into())
        );
        assert_eq!(fault("nodes + 1").message, "this is a number, not a condition");
        assert_eq!(fault("target < 5").message, "`<` compares a text with a number");
        assert_eq!(fault("nodes && stable").message, "`&&` takes true or false, not a number");
        assert_eq!(fault("size(target) == 3").message, "there is no function `size` for 1 values here");
        assert!(fault(&"1+".repeat(1000)).message.contains("2000 bytes"));
    }

    #[test]
    fn a_simple_requirement_gives_its_limit() {
        let limit = parse("2.5 >= rate").expect("sound").limit().expect("a limit");
        assert_eq!(limit, Limit { metric: "rate".into(), at_most: true, inclusive: true, limit: 2.5 });
        assert_eq!(parse("rate + 1 < 3").expect("sound").limit(), None);
    }
}
