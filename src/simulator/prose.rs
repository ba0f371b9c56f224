//! What the pretended model says: short texts that depend on the question, in English and Chinese. Pure.

/// Words of the question that are repeated.
const ECHO_WORDS: usize = 12;
/// Characters of a Chinese question that are repeated.
const ECHO_CHARS: usize = 24;
/// Characters of a tool's result that are repeated.
const RESULT_CHARS: usize = 400;

/// What the answer is to be about.
pub(super) struct Topic<'a> {
    pub(super) model: &'a str,
    /// The text of the last message from the user.
    pub(super) question: &'a str,
    /// Attachments of that message: what they are, how many.
    pub(super) attachments: &'a [(&'static str, usize)],
    /// The results of the tools that were just called.
    pub(super) results: &'a [String],
    /// The number of the choice, from 0.
    pub(super) choice: usize,
}

/// The answer to a question.
pub(super) fn answer(topic: &Topic<'_>) -> String {
    let chinese = is_chinese(topic.question);
    let mut text = String::new();
    if topic.choice > 0 {
        let number = topic.choice + 1;
        text += &if chinese {
            format!("换个说法（{number}）：")
        } else {
            format!("Put differently ({number}): ")
        };
    }
    for (what, count) in topic.attachments {
        text += &if chinese {
            format!("我收到了 {count} 个附件（{what}）。")
        } else {
            let plural = if *count == 1 { "" } else { "s" };
            format!("I can see that you attached {count} {what}{plural}. ")
        };
    }
    text + &match (topic.results.is_empty(), chinese) {
        (false, true) => format!(
            "工具返回了：{}。这就是我的回答，由模拟器根据工具结果写成。",
            results(topic)
        ),
        (false, false) => format!(
            "The tool says: {}. That settles your question, as far as a simulator can tell.",
            results(topic)
        ),
        (true, true) => chinese_answer(topic),
        (true, false) => english_answer(topic),
    }
}

/// What a reasoning model thinks before it answers.
pub(super) fn reasoning(question: &str) -> String {
    if is_chinese(question) {
        return format!(
            "用户问的是「{}」。我是模拟器，简短、友好地回答就好。",
            echo_chars(question)
        );
    }
    format!(
        "The user asks \"{}\". I am a simulator, so a short and friendly answer will do.",
        echo_words(question)
    )
}

/// What Cohere's models say before they call a tool.
pub(super) fn announcement(question: &str, tool: &str) -> String {
    if is_chinese(question) {
        return format!("我会使用工具 {tool} 来查一下。");
    }
    format!("I will use the tool {tool} to find that out.")
}

fn english_answer(topic: &Topic<'_>) -> String {
    let model = topic.model;
    let words: Vec<String> = topic
        .question
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    if has(&[
        "code",
        "function",
        "program",
        "script",
        "python",
        "rust",
        "javascript",
    ]) {
        let (language, code) = sample_code(&words);
        return format!(
            "Here is a small example in {language}, from the simulator of {model}:\n\n```{}\n{code}\n```\n\n\
             It greets whoever you name. A real model would write what you asked for.",
            language.to_lowercase()
        );
    }
    let greeting = ["hello", "hi", "hey", "greetings"];
    if words.len() <= 6
        && words
            .first()
            .is_some_and(|word| greeting.contains(&word.as_str()))
    {
        return format!(
            "Hello! I am a simulated {model}, running inside your own ociai-proxy. \
             Ask me anything: I answer quickly, cheaply and without knowing much."
        );
    }
    format!(
        "You asked: \"{}\". I am only a simulator that stands in for {model}, so I cannot really know, but everything \
         else is as it will be: your request went through the proxy, was translated and signed, and my words come back \
         to you one by one, as those of the real service will. Put your own OCI account into the configuration, and \
         the same request will get a real answer.",
        echo_words(topic.question)
    )
}

fn chinese_answer(topic: &Topic<'_>) -> String {
    let (model, question) = (topic.model, topic.question);
    if ["代码", "函数", "程序", "脚本"]
        .iter()
        .any(|word| question.contains(word))
    {
        let (_, code) = sample_code(&[]);
        return format!(
            "这是一个简单的 Python 示例，由 {model} 的模拟器提供：\n\n```python\n{code}\n```\n\n真正的模型会写出你需要的代码。"
        );
    }
    if ["你好", "您好", "嗨"]
        .iter()
        .any(|word| question.starts_with(word))
        && question.chars().count() <= 12
    {
        return format!(
            "你好！我是 {model} 的模拟器，就运行在你的 ociai-proxy 里。有什么想问的，尽管问吧。"
        );
    }
    format!(
        "你问的是「{}」。我只是代替 {model} 的模拟器，并不知道真正的答案，但其余的一切都和真实服务一样：\
         请求经过代理、转换、签名，回答再逐字传回给你。在配置里填上你自己的 OCI 账户，就能得到真正的回答了。",
        echo_chars(question)
    )
}

fn sample_code(words: &[String]) -> (&'static str, &'static str) {
    let has = |word: &str| words.iter().any(|known| known == word);
    if has("rust") {
        (
            "Rust",
            "fn greet(name: &str) -> String {\n    format!(\"Hello, {name}!\")\n}",
        )
    } else if has("javascript") {
        (
            "JavaScript",
            "function greet(name) {\n  return `Hello, ${name}!`;\n}",
        )
    } else {
        (
            "Python",
            "def greet(name: str) -> str:\n    return f\"Hello, {name}!\"",
        )
    }
}

fn results(topic: &Topic<'_>) -> String {
    let all = topic.results.join("; ");
    let text: String = all.trim().chars().take(RESULT_CHARS).collect();
    text.trim_end_matches(['.', '。']).to_owned()
}

fn echo_words(question: &str) -> String {
    let mut words = question.split_whitespace();
    let mut echo: Vec<_> = words.by_ref().take(ECHO_WORDS).collect();
    if words.next().is_some() {
        echo.push("…");
    }
    echo.join(" ")
}

fn echo_chars(question: &str) -> String {
    let mut letters = question.trim().chars();
    let mut echo: String = letters.by_ref().take(ECHO_CHARS).collect();
    if letters.next().is_some() {
        echo.push('…');
    }
    echo
}

/// Chinese if it has Han characters and none of the Japanese syllabaries.
fn is_chinese(text: &str) -> bool {
    text.chars().any(is_han)
        && !text
            .chars()
            .any(|letter| ('\u{3040}'..='\u{30ff}').contains(&letter))
}

/// Han characters and the punctuation that goes with them: written without spaces, so each is a token of its own.
pub(super) fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3000}'..='\u{303f}' | '\u{3400}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, results: &[String], expected: &str) {
        let topic = Topic {
            model: "m",
            question,
            attachments: &[],
            results,
            choice: 0,
        };
        let text = answer(&topic);
        assert!(text.contains(expected), "{question}: {text}");
    }

    #[test]
    fn the_answer_fits_the_question() {
        check("Hello there!", &[], "Hello! I am a simulated m");
        check("write a rust function", &[], "```rust\nfn greet");
        check("你好", &[], "你好！我是 m 的模拟器");
        check(
            "为什么天空是蓝色的？",
            &[],
            "你问的是「为什么天空是蓝色的？」",
        );
        check(
            "why is the sky blue",
            &[],
            "You asked: \"why is the sky blue\"",
        );
        check(
            "weather?",
            &["18C and sunny.".to_owned()],
            "The tool says: 18C and sunny. That",
        );
    }
}
