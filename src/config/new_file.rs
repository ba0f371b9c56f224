//! The text of a new configuration file, for `-init`: what a value must look like before it may stand in one, and the file around
//! the values, with comments. Pure. That what is written is read back is checked with this room's own reader. Follows the
//! specification's §2.

use std::path::Path;

use zeroize::Zeroizing;

use super::account::Paths;
use super::{Mode, file, interpret, value};
use crate::names::Secret;

/// What `-init` must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    User,
    Tenancy,
    Fingerprint,
    KeyFile,
    Region,
    PassPhrase,
    Compartment,
    Models,
}

/// The values of a new file, each of them accepted by [`accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    pub(crate) user: String,
    pub(crate) tenancy: String,
    pub(crate) fingerprint: String,
    pub(crate) key_file: String,
    pub(crate) region: String,
    pub(crate) pass_phrase: Option<Secret>,
    pub(crate) compartment: Option<String>,
    /// Clients' names, and what they stand for at OCI.
    pub(crate) models: Vec<(String, String)>,
}

impl Item {
    /// As in the file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenancy => "tenancy",
            Self::Fingerprint => "fingerprint",
            Self::KeyFile => "key_file",
            Self::Region => "region",
            Self::PassPhrase => "pass_phrase",
            Self::Compartment => "compartment_id",
            Self::Models => "[MODELS]",
        }
    }
}

/// Whether it can be the value of this key.
///
/// # Errors
/// What is expected instead, without the value.
pub(crate) fn accept(item: Item, text: &str) -> Result<(), String> {
    match item {
        Item::User => value::ocid(text, "user").map(drop)?,
        Item::Tenancy => value::ocid(text, "tenancy").map(drop)?,
        Item::Compartment => value::ocid(text, "compartment").map(drop)?,
        Item::Fingerprint => value::fingerprint(text).map(drop)?,
        Item::Region => value::region(text).map(drop)?,
        Item::KeyFile => {
            if text.is_empty() {
                return Err("expected the path of the private key, a PEM file".to_owned());
            }
            let home = Some(Path::new("/"));
            value::key_file(text, Path::new(""), home).map(drop)?;
        }
        Item::PassPhrase => {}
        Item::Models => return models(text).map(drop),
    }
    if is_kept(item.key(), text) {
        Ok(())
    } else {
        Err(
            "the file cannot hold it: a # or ; after a space begins a comment there, and spaces at the ends are lost"
                .to_owned(),
        )
    }
}

/// Whether the file's reader finds this value where it was written.
fn is_kept(key: &str, value: &str) -> bool {
    let line = Zeroizing::new(format!("{key} = {value}\n"));
    let (file, strays) = file::scan(line.as_bytes());
    let entries = file.sections.iter().flat_map(|section| &section.entries);
    let kept: Vec<_> = entries.collect();
    strays.is_empty()
        && matches!(kept.as_slice(), [entry] if entry.is(key) && entry.value.as_str() == value)
}

/// `name=id, id`: a name that is not given is what follows the vendor in the id; `auto` stands for all that OCI lists.
///
/// # Errors
/// What is wrong with which of them.
pub(crate) fn models(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut models: Vec<(String, String)> = Vec::new();
    for given in text
        .split(',')
        .map(str::trim)
        .filter(|given| !given.is_empty())
    {
        let (name, id) = match given.split_once('=') {
            Some((name, id)) => (name.trim(), id.trim()),
            None if given.eq_ignore_ascii_case("auto") => ("*", given),
            None if given.starts_with("ocid1.") => {
                return Err(format!(
                    "{given:?} needs a name for the clients: expected name={given}"
                ));
            }
            None => (given.split_once('.').map_or(given, |(_, name)| name), given),
        };
        if name == "*" {
            value::auto(id).map_err(|expected| format!("{expected}, got {given:?}"))?;
        }
        value::model(id).map_err(|expected| format!("{expected}, got {given:?}"))?;
        let line = format!("[MODELS]\n{name} = {id}\n");
        let (file, strays) = file::scan(line.as_bytes());
        let mut entries = file.sections.iter().flat_map(|section| &section.entries);
        let is_kept = entries
            .next()
            .is_some_and(|entry| entry.name == name && entry.value.as_str() == id);
        if !strays.is_empty() || !is_kept {
            return Err(format!(
                "expected a name and a model id such as grok-4.3=xai.grok-4.3, got {given:?}"
            ));
        }
        if models.iter().any(|(known, _)| known == name) {
            return Err(format!("the name {name:?} stands there twice"));
        }
        models.push((name.to_owned(), id.to_owned()));
    }
    if models.is_empty() {
        return Err("expected one or more models, such as grok-4.3=xai.grok-4.3".to_owned());
    }
    Ok(models)
}

impl NewFile {
    /// The whole file.
    pub(crate) fn text(&self, mode: Mode, api_key: &Secret) -> Zeroizing<String> {
        let models: String = self
            .models
            .iter()
            .map(|(name, id)| format!("{name} = {id}\n"))
            .collect();
        let account = self.account();
        let api_key = api_key.expose();
        Zeroizing::new(match mode {
            Mode::Single => format!(
                "{SINGLE_HEAD}\n[DEFAULT]\n{ACCOUNT_COMMENT}{}\n{KEY_COMMENT}api_key = {api_key}\n\n\
                 [MODELS]\n{MODELS_COMMENT}{models}\n{GLOBAL}",
                account.as_str()
            ),
            Mode::Multi => format!(
                "{MULTI_HEAD}\n{KEY_COMMENT}api_key = {api_key}\n\n{GLOBAL}{MULTI_GLOBAL}\n\
                 [MODELS]\n{MODELS_COMMENT}{models}\n[ACCOUNT_1]\n{ID_COMMENT}id = account_1\n{ACCOUNT_COMMENT}{}{SEAT}{NEXT_ACCOUNT}",
                account.as_str()
            ),
        })
    }

    fn account(&self) -> Zeroizing<String> {
        let secret = self.pass_phrase.as_ref().map_or_else(
            || Zeroizing::new("# pass_phrase =\n".to_owned()),
            |phrase| Zeroizing::new(format!("pass_phrase = {}\n", phrase.expose())),
        );
        let compartment = self.compartment.as_ref().map_or_else(
            || "# compartment_id =\n".to_owned(),
            |compartment| format!("compartment_id = {compartment}\n"),
        );
        Zeroizing::new(format!(
            "user = {}\nfingerprint = {}\nkey_file = {}\ntenancy = {}\nregion = {}\n\
             # For an encrypted private key. / 私钥已加密时的口令。\n{}\
             # Compartment of the calls; default: the tenancy. / 调用所在的区间，默认为租户。\n{compartment}",
            self.user,
            self.fingerprint,
            self.key_file,
            self.tenancy,
            self.region,
            secret.as_str(),
        ))
    }

    /// What the program's own reader says against it: nothing, if every value was accepted.
    pub(crate) fn check(&self, mode: Mode, path: &Path) -> Result<(), Vec<String>> {
        let text = self.text(mode, &Secret::new("checked"));
        let paths = Paths {
            base: Path::new(""),
            home: Some(Path::new("/")),
        };
        match interpret(text.as_bytes(), path, mode, paths) {
            Ok(_) => Ok(()),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }
}

const SINGLE_HEAD: &str = "\
# ociai-proxy with one OCI account, made by -init. Every further key is in the README's table.
# ociai-proxy 单账户配置，由 -init 生成。其余选项见 README 的表格。
#
# A comment is a line that begins with # or ;, or what follows a # or ; after a space. There are no quotes: what stands there counts.
# 注释：以 # 或 ; 开头的行，或空格后的 # 或 ; 之后的内容。不使用引号。
";
const MULTI_HEAD: &str = "\
# ociai-proxy with several OCI accounts, made by -init: start with -multi-account. Every further key is in the README's table.
# ociai-proxy 多账户配置，由 -init 生成，用 -multi-account 启动。其余选项见 README 的表格。
#
# A comment is a line that begins with # or ;, or what follows a # or ; after a space. There are no quotes: what stands there counts.
# 注释：以 # 或 ; 开头的行，或空格后的 # 或 ; 之后的内容。不使用引号。
";
const ACCOUNT_COMMENT: &str = "\
# The account at OCI, as the console shows it (Profile > API keys). A relative key_file begins at this file; ~ is your home.
# OCI 账户凭据（控制台：个人资料 > API 密钥）。key_file 的相对路径以本文件所在目录为准；~ 表示主目录。
";
const KEY_COMMENT: &str = "\
# The key that clients must send; several with commas between. / 客户端访问密钥，多个用逗号分隔。
";
const MODELS_COMMENT: &str = "\
# Client's name = model id at OCI. Not every region has every model: take away what yours does not have.
# 客户端使用的名称 = OCI 模型 ID。各区域可用的模型不同，请删去没有的模型。
";
const GLOBAL: &str = "\
[GLOBAL]
# Requests served at once, 1-2000; waiting ones, 1-100000. / 同时处理的请求数；等待队列长度。
# global_max_concurrency = 200
# queue_size = 2000
# One attempt's wait for OCI: to its answer, or of a stream to its first event. / 等待 OCI 响应（或流的首个事件）的时间。
# request_timeout = 60s
# error, warn, info or debug. / 日志级别。
# log_level = info
# text or json. / 日志格式。
# log_format = text
";
const MULTI_GLOBAL: &str = "\
# round_robin, weighted or least_connections. / 负载均衡策略。
# load_balance_strategy = round_robin
";
const ID_COMMENT: &str = "\
# Shown in the log and in /stats/accounts. / 显示在日志和 /stats/accounts 中。
";
const SEAT: &str = "\
# 1-1000, for weighted; calls at once, 1-10000. / 权重，用于 weighted 策略；单账户最大并发。
weight = 1
max_concurrency = 50
";
const NEXT_ACCOUNT: &str = "
# The next account: take the # away, fill it in, and go on with [ACCOUNT_3]. Then ociai-proxy -check -multi-account.
# 添加下一个账户：去掉 # 并填写，之后依次为 [ACCOUNT_3] 等，再运行 ociai-proxy -check -multi-account。
# [ACCOUNT_2]
# id = account_2
# user =
# fingerprint =
# key_file =
# tenancy =
# region =
# weight = 1
# max_concurrency = 50
";

#[cfg(test)]
mod tests;
