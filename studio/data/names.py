"""The names people give to columns, in several languages, and what each name tells about the column's part.

Names are compared without case, spaces, underscores, hyphens, accents or punctuation: "Customer Message", "customer_message"
and "customerMessage" are one name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\W_]+")


def tokens(name: str) -> list[str]:
    """``"Customer message (EN)"`` → ``["customer", "message", "en"]``."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", name)).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [t for t in _SEPARATORS.split(plain) if t]


def key(name: str) -> str:
    """The name without anything that varies: ``"Customer_Message"`` → ``"customermessage"``."""
    return "".join(tokens(name))


def _keys(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key(w) for w in words.replace("\n", ",").split(",") if w.strip()))


USER = _keys("""question, questions, prompt, instruction, instructions, query, user, human, input, q, customer message, customer,
    customer question, customer query, user message, user input, user prompt, user question, request, inquiry, enquiry, ask, asked,
    client, client message, message in, incoming, incoming message, problem, problem statement, utterance, email in, ticket, source,
    source text, input text, message, body, user query, human message, what the customer said, in, from customer, their message,
    frage, kundenanfrage, anfrage, eingabe, pregunta, consulta, entrada, demande, question client, requete, domanda, richiesta,
    pergunta, mensagem, vraag, fråga, spørgsmål, spørsmål, kysymys, pytanie, zapytanie, otázka, dotaz, kérdés, întrebare, soru,
    вопрос, запрос, питання, въпрос, ερώτηση, 问题, 問題, 提问, 指令, 输入, 質問, 入力, 질문, سؤال, السؤال, سوال, پرسش, שאלה,
    प्रश्न, सवाल, câu hỏi, pertanyaan, คำถาม""")
ASSISTANT = _keys("""answer, answers, response, responses, completion, output, assistant, reply, replies, bot, gpt, a, our reply,
    our answer, our response, agent, agent reply, agent response, agent message, assistant message, assistant response, assistant reply,
    bot response, bot reply, chatbot, model, model response, model output, expected output, expected answer, expected response, ideal,
    ideal answer, ideal response, best answer, correct answer, chosen, target, target text, output text, solution, support reply,
    support answer, staff reply, generation, out, summary, what we answered, what we said, suggested reply, canned response, message out,
    antwort, unsere antwort, ausgabe, respuesta, nuestra respuesta, salida, réponse, notre réponse, reponse, risposta, resposta, antwoord,
    svar, vastaus, odpowiedź, odpověď, odpoveď, válasz, răspuns, cevap, yanıt, ответ, відповідь, отговор, απάντηση, 回答, 答案, 答复,
    回复, 输出, 答え, 応答, 出力, 답변, 대답, إجابة, الإجابة, جواب, پاسخ, תשובה, उत्तर, जवाब, câu trả lời, trả lời, jawaban, คำตอบ""")
SYSTEM = _keys("""system, system prompt, system message, system instruction, systemprompt, persona, role description, systemanweisung,
    instrucción del sistema, 系统, 系统提示, システム""")
CONTEXT = _keys("""context, background, passage, document, article, reference, knowledge, source document, supporting text, input context,
    kontext, contexto, contexte, contesto, 上下文, 背景, コンテキスト, 문맥, контекст""")
CONVERSATION = _keys("""conversation id, conv id, dialogue id, dialog id, thread id, thread, chat id, session id, session, conversation,
    dialogue, dialog, ticket id, case id, case number, conversation number, call id, group id, chat, id conversation""")
SPEAKER = _keys("""role, speaker, author, sender, from, who, author role, speaker role, sender type, turn by, said by, rolle, sprecher,
    rol, emisor, rôle, ruolo, autor, 角色, 発話者""")
CONTENT = _keys("""content, text, message, utterance, value, body, said, turn, message text, inhalt, nachricht, texto, mensaje, contenu,
    texte, testo, messaggio, 内容, 本文""")
MESSAGES = _keys(
    """messages, conversations, conversation, dialog, dialogue, dialogs, chat, turns, chosen, thread, history, transcript"""
)
ORDER = _keys("""turn, turn id, turn number, turn index, message index, message id, position, order, step, sequence, seq, timestamp, time,
    date, created at, sent at, index""")
LABEL = _keys("""label, labels, category, categories, class, classes, intent, intents, sentiment, topic, topics, target, tag, tags, type,
    kind, group, department, queue, priority, emotion, status, genre, subject area, area, label text, label name, class name,
    category name, ticket type, issue type, ticket category, urgency, language, outcome, verdict, decision, stars, polarity, y, gold,
    gold label, annotation, rating, classification, kategorie, klasse, thema, etikett, categoría, clase, etiqueta, tema, catégorie, classe,
    étiquette, sujet, categoria, etichetta, classificação, categorie, kategori, luokka, kategoria, třída, категория, класс, метка, тема,
    类别, 标签, 分类, カテゴリ, ラベル, 카테고리, 라벨, فئة, تصنيف, श्रेणी""")
TEXT = _keys("""text, sentence, message, review, comment, body, content, description, ticket text, ticket, utterance, query, question,
    tweet, post, title, headline, document, abstract, summary, email, feedback, complaint, request, input, customer message,
    review text, text body, issue, subject, phrase, narrative, transcript, x, nachricht, kommentar, beschreibung, bewertung, texto,
    mensaje, comentario, texte, message client, commentaire, avis, testo, messaggio, recensione, mensagem, comentário, tekst, bericht,
    текст, сообщение, отзыв, 文本, 内容, 评论, 本文, コメント, 텍스트, 내용, نص, पाठ""")
SPLIT = _keys("split, subset, fold, partition, set, data split, dataset split")
IDENTIFIER = _keys(
    "id, uuid, guid, index, row, row id, nr, no, number, url, link, hash, date, timestamp, created at, updated at, idx, key"
)
REJECTED = _keys("rejected, rejected response, bad answer, worse, negative, wrong answer")

_USER_ROLES = _keys(
    "user, human, customer, client, person, prompter, question, q, visitor, caller, inquirer, me, you, kunde, cliente, usuario"
)
_ASSISTANT_ROLES = _keys("""assistant, gpt, bot, chatgpt, bing, bard, model, agent, ai, support, answer, a, claude, llama, chatbot, advisor,
    staff, operator, representative, rep, helper, kundenservice, asistente, assistente, agente""")
_SYSTEM_ROLES = _keys("system, developer, context, instruction")
ROLES: dict[str, str] = {
    **dict.fromkeys(_SYSTEM_ROLES, "system"),
    **dict.fromkeys(_USER_ROLES, "user"),
    **dict.fromkeys(_ASSISTANT_ROLES, "assistant"),
}
"""How a speaker is called → user, assistant or system. Tools and unknown speakers are not in it."""

SPLIT_WORDS: dict[str, str] = {
    **dict.fromkeys(("train", "training", "trn", "learn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
}
KNOWN: frozenset[str] = frozenset(
    (*USER, *ASSISTANT, *SYSTEM, *CONTEXT, *CONVERSATION, *SPEAKER, *CONTENT, *MESSAGES, *ORDER, *LABEL, *TEXT, *SPLIT)
) | frozenset((*IDENTIFIER, *REJECTED))


def best_match(columns: Iterable[str], synonyms: tuple[str, ...]) -> tuple[str | None, float]:
    """The column whose name fits best, and how well: 1 for the very name, 0.7 for one word of a longer name, else 0.

    Among equals the earlier synonym wins (the lists above begin with the most telling names).
    """
    best: tuple[str | None, float, int] = (None, 0.0, 10_000)
    rank = {s: i for i, s in enumerate(synonyms)}
    for column in columns:
        name = key(column)
        if name in rank:
            found = (column, 1.0, rank[name])
        else:
            parts = [rank[t] for t in tokens(column) if t in rank and len(t) > 2]
            if not parts:
                continue
            found = (column, 0.7, min(parts))
        if (found[1], -found[2]) > (best[1], -best[2]):
            best = found
    return best[0], best[1]


def split_word(value: str) -> str | None:
    """``"Validation"``, ``"dev"`` → ``"validation"``; None for anything else."""
    return SPLIT_WORDS.get(value.strip().casefold())


def split_of_file(name: str) -> str | None:
    """``"my_train-v2.csv"`` → ``"train"``; None when the name says nothing, or two things."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    found = {SPLIT_WORDS[t] for t in tokens(stem) if t in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None
