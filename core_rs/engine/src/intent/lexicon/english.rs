//! English verbs, frames, and the nouns of what is done. See [`super::VerbRow`] for the columns.

use super::form::{BASE, GERUND, ORDER, PARTICIPLE};
use super::{Asks, FrameRow, Need, VerbRow};
use crate::vocabulary::Intent;

pub(super) const VERBS: &[VerbRow] = &[
    (
        Intent::Delete,
        Need::Nothing,
        BASE,
        "delete, delet, delte, erase, remove, purge, destroy, wipe, wipe out, wipe off, \
         uninstall, unlink, truncate, shred, nuke, expunge, obliterate, eradicate, eliminate, \
         annihilate, get rid of, throw away, throw out, toss out, dispose of, do away with, \
         clear out, clean out, blow away, take down, unpublish, rm, rmdir",
    ),
    (
        Intent::Delete,
        Need::Object,
        BASE,
        "clear, empty, drop, trash, discard, scrap, bin, junk, zap, cull, retire, revoke",
    ),
    (
        Intent::Delete,
        Need::Nothing,
        GERUND,
        "deleting, erasing, removing, purging, destroying, wiping, uninstalling, truncating, \
         shredding, nuking, eliminating, clearing, emptying, dropping, trashing, discarding, \
         getting rid of, throwing away, throwing out, disposing of",
    ),
    (
        Intent::Delete,
        Need::Nothing,
        PARTICIPLE,
        "deleted, erased, removed, purged, destroyed, wiped, wiped out, uninstalled, truncated, \
         shredded, eliminated, cleared, emptied, dropped, trashed, discarded, thrown away",
    ),
    (Intent::Send, Need::Nothing, BASE, "send, resend, publish, notify, tweet, retweet, broadcast"),
    (
        Intent::Send,
        Need::Object,
        BASE,
        "share, post, mail, forward, submit, transmit, dispatch, circulate, invite, fax, hand out",
    ),
    (Intent::Send, Need::Name, BASE, "email, e mail, message, text, ping, dm, sms, contact, cc"),
    (
        Intent::Send,
        Need::Person,
        BASE,
        "reply to, respond to, write back to, write to, get back to",
    ),
    (
        Intent::Send,
        Need::Nothing,
        GERUND,
        "sending, resending, publishing, notifying, emailing, sharing, posting, forwarding, \
         submitting, tweeting",
    ),
    (
        Intent::Send,
        Need::Nothing,
        PARTICIPLE,
        "sent, resent, published, notified, emailed, shared, posted, forwarded, submitted, tweeted",
    ),
    (
        Intent::Transfer,
        Need::Nothing,
        BASE,
        "migrate, hand over, hand off, transfer ownership, transfer control",
    ),
    (Intent::Transfer, Need::Loose, BASE, "transfer, export, upload, relocate"),
    (Intent::Transfer, Need::Towards, BASE, "move, copy, bring, shift"),
    (
        Intent::Transfer,
        Need::Nothing,
        GERUND,
        "transferring, exporting, migrating, uploading, relocating, handing over",
    ),
    (
        Intent::Transfer,
        Need::Nothing,
        PARTICIPLE,
        "transferred, exported, migrated, uploaded, relocated, handed over",
    ),
    (
        Intent::Payment,
        Need::Nothing,
        BASE,
        "buy, pay off, pay for, pay back, reimburse, refund, repay, remit, subscribe to, top up",
    ),
    (
        Intent::Payment,
        Need::Name,
        BASE,
        "pay, purchase, charge, bill, invoice, wire, deposit, withdraw, donate, settle, spend",
    ),
    (Intent::Payment, Need::Money, BASE, "send, transfer, move, give, pay, spend, order, donate"),
    (
        Intent::Payment,
        Need::Nothing,
        GERUND,
        "paying, buying, purchasing, reimbursing, refunding, repaying, wiring, donating, spending",
    ),
    (
        Intent::Payment,
        Need::Nothing,
        PARTICIPLE,
        "paid, bought, purchased, reimbursed, refunded, repaid, wired, donated, settled, spent",
    ),
    (
        Intent::Create,
        Need::Nothing,
        BASE,
        "create, generate, build, write, compose, produce, develop, implement, prepare, add, \
         insert, compile, construct, invent, brainstorm, translate, duplicate, install, set up, \
         come up with, put together, draw up",
    ),
    (
        Intent::Create,
        Need::Object,
        BASE,
        "make, draft, design, schedule, register, code, plan, record, sketch, draw, start, \
         open, book",
    ),
    (
        Intent::Update,
        Need::Nothing,
        BASE,
        "modify, rename, replace, revise, amend, adjust, rewrite, improve, upgrade, refresh, \
         reorganize, reorganise, restore, enable, disable, configure, convert, fix, unarchive, \
         merge, sort, toggle, activate, deactivate, cancel, overwrite, append, assign, \
         reschedule, shorten, simplify, expand, extend, increase, decrease, correct",
    ),
    (
        Intent::Update,
        Need::Loose,
        BASE,
        "update, change, edit, set, mark, archive, close, patch, reset, tag, pause, sync, turn",
    ),
    (
        Intent::Analyze,
        Need::Nothing,
        BASE,
        "analyze, analyse, examine, assess, evaluate, compare, summarize, summarise, inspect, \
         investigate, diagnose, classify, categorize, categorise, benchmark, measure, \
         interpret, verify, validate, calculate, compute, recap, critique, sum up",
    ),
    (
        Intent::Analyze,
        Need::Object,
        BASE,
        "audit, review, study, check, check if, check whether, check that, estimate, rank, \
         rate, profile, test",
    ),
    (
        Intent::Query,
        Need::Nothing,
        BASE,
        "show, tell, explain, describe, find, search, display, fetch, retrieve, look up, look \
         for, look at, give, define, clarify, enumerate, identify, provide, suggest, recommend, \
         remind, teach",
    ),
    (Intent::Query, Need::Object, BASE, "list, get, read, answer, name"),
];

pub(super) const FRAMES: &[FrameRow] = &[
    (Asks::Politely, ORDER, "please, pls, plz, kindly, just please"),
    (
        Asks::Anywhere,
        BASE,
        "can you, could you, would you, will you, can u, could u, would u, cant you, couldnt \
         you, wont you, wouldnt you, can we, could we, any way you can, any way you could, are \
         you able to, would you be able to, would you be so kind as to, would it be possible \
         to, would it be possible for you to, could it be possible to, is it possible for you \
         to, any chance you could, any chance you can, wondering if you could, wondering if you \
         can, wondering if you would, wondering whether you could, wonder if you could, great \
         if you could, nice if you could, helpful if you could, grateful if you could, grateful \
         if you would, appreciate it if you could, appreciate it if you would, appreciate if \
         you could, glad if you could, happy if you could",
    ),
    (
        Asks::AsWish,
        BASE,
        "want you to, wants you to, need you to, needs you to, like you to, want u to, need u \
         to, like u to, love you to, love for you to, ask you to, asking you to, order you to, \
         ordering you to, command you to, instruct you to, request you to, require you to, \
         expect you to, urge you to, beg you to, trust you to, authorize you to, authorise you \
         to, permission to, request that you, ask that you, demand that you, suggest you, \
         suggest that you, recommend you, recommend that you, prefer you to, id rather you, \
         insist that you, time for you to, up to you to, wish you to",
    ),
    (
        Asks::AtHead,
        BASE,
        "i want to, i wanna, i need to, i gotta, i have to, i must, i should, i would like to, \
         i would love to, i wish to, id like to, id love to, i am trying to, im trying to, i am \
         going to need to, we want to, we need to, we have to, we must, we should, we would \
         like to, wed like to, lets, let us, go ahead, help me, help me to, help us, help us \
         to, help, proceed to, try to, attempt to, continue to, make sure to, make sure you, \
         make sure that you, be sure to, be sure you, ensure you, ensure that you, remember to, \
         dont forget to, do not forget to, never forget to, dont hesitate to, do not hesitate \
         to, never fail to, dont fail to, do not fail to, dont be afraid to, do not be afraid \
         to, feel free to, you can, you may, you should, you must, you need to, you have to, \
         you will, you are to, you shall, you ought to, you gotta, u can, u should, you better, \
         you had better, youd better, you are going to, you can now, you will now, you are \
         authorized to, you are authorised to, youre authorized to, youre authorised to, you \
         are allowed to, youre allowed to, you are free to, youre free to, you have permission \
         to, you have my permission to, you are supposed to, youre supposed to, you are \
         required to, youre required to, youre going to, you must now, i think you should, i \
         think we should, i believe you should, your task is to, your job is to, your goal is \
         to, your mission is to, your next step is to, the task is to, the goal is to, my goal \
         is to, the plan is to, the next step is to, all you have to do is, what i want is to, \
         what i need is to, why dont you, why not, if you could, if you would, its time to, it \
         is time to, time to, use the tool to, use your tools to, use your tool to, this means \
         you must, i order you, i command you, not only, dont just, not just, do not just, do \
         not only, dont only, do not merely, do not simply",
    ),
    (
        Asks::Anywhere,
        GERUND,
        "would you mind, do you mind, could you start, can you start, can you try, can you \
         start by, could you start by",
    ),
    (
        Asks::AtHead,
        ORDER,
        "as discussed, as agreed, as planned, as requested, as usual, as promised, as \
         mentioned, as before, as always, after that, in addition, in that case, if so, if not, \
         if possible, when done, once done, for now, by the way, of course, at once, at last, \
         from now on, with immediate effect, as soon as possible, after this, on top of that, \
         in the end",
    ),
    (
        Asks::Anywhere,
        PARTICIPLE | BASE,
        "great if you, nice if you, appreciate it if you, grateful if you, helpful if you",
    ),
    (
        Asks::AtHead,
        GERUND,
        "start, start by, begin, begin by, continue, keep, finish, resume, proceed with, \
         proceed by, go on, i want help, i need help, help me with, help with, i suggest, i \
         recommend, consider, lets start, lets start by, lets try, dont mind, try",
    ),
];

/// Verbs whose object says what is done, by their forms.
pub(super) const LIGHT: &[(u8, &str)] = &[(
    BASE,
    "perform, do, make, execute, carry out, initiate, start, launch, process, run, request, \
     proceed with, proceed to, complete, issue, trigger, arrange, handle, schedule, begin, i \
     want, i need, i demand, i request, i would like, id like, we want, we need, i am \
     requesting, im requesting, go ahead with, continue with",
)];

/// The objects of those verbs.
pub(super) const EVENTS: &[(Intent, &str)] = &[
    (Intent::Delete, "deletion, removal, erasure, destruction, purge, wipe"),
    (Intent::Send, "dispatch, publication, broadcast, mailing"),
    (Intent::Transfer, "transfer, export, migration, handover, upload"),
    (Intent::Payment, "payment, purchase, refund, reimbursement, wire transfer, bank transfer"),
];
