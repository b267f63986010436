//! French verbs, frames, and the nouns of what is done, without accents. See [`super::VerbRow`].

use super::form::{IMPERATIVE, INFINITIVE, ORDER, PARTICIPLE, SECOND};
use super::{Asks, FrameRow, Need, VerbRow};
use crate::vocabulary::Intent;

/// What follows the stem of a regular verb in -er.
pub(super) const ENDINGS: &[(u8, &str)] = &[
    (IMPERATIVE, "e ez ons eons"),
    (INFINITIVE, "er"),
    (SECOND, "es ez iez e ons eras erez erais eriez"),
    (PARTICIPLE, "e ee es ees"),
];

/// Regular verbs, by infinitive.
pub(super) const REGULAR: &[(Intent, Need, &str)] = &[
    (
        Intent::Delete,
        Need::Nothing,
        "supprimer, suprimer, effacer, eliminer, enlever, retirer, oter, desinstaller, gommer, \
         eradiquer, bazarder, jeter",
    ),
    (Intent::Delete, Need::Object, "vider, purger, ecraser, raser"),
    (Intent::Delete, Need::Thing, "virer, degager"),
    (
        Intent::Send,
        Need::Nothing,
        "envoyer, expedier, publier, notifier, diffuser, renvoyer, tweeter, avertir",
    ),
    (Intent::Send, Need::Object, "partager, poster, mailer, communiquer, adresser, forwarder"),
    (Intent::Send, Need::Name, "contacter, inviter, relancer"),
    (Intent::Transfer, Need::Nothing, "transferer, exporter, migrer, ceder, televerser, uploader"),
    (Intent::Transfer, Need::Towards, "deplacer, copier, bouger"),
    (Intent::Payment, Need::Nothing, "payer, acheter, rembourser"),
    (Intent::Payment, Need::Object, "verser, debiter, facturer, depenser, crediter"),
    (Intent::Payment, Need::Money, "virer, envoyer, transferer, donner, commander"),
    (Intent::Payment, Need::Bill, "regler, solder"),
    (
        Intent::Create,
        Need::Nothing,
        "creer, ajouter, generer, rediger, preparer, composer, elaborer, developper, planifier, \
         imaginer, inventer, fabriquer, installer, inserer, enregistrer, dupliquer",
    ),
    (Intent::Create, Need::Object, "programmer, dessiner, commander, demarrer"),
    (
        Intent::Update,
        Need::Nothing,
        "modifier, editer, corriger, renommer, remplacer, ajuster, actualiser, reviser, \
         ameliorer, adapter, activer, desactiver, configurer, restaurer, annuler, fusionner, \
         trier, raccourcir, simplifier, reformuler, completer, nettoyer",
    ),
    (Intent::Update, Need::Object, "changer, archiver, fermer, marquer"),
    (
        Intent::Analyze,
        Need::Nothing,
        "analyser, examiner, evaluer, comparer, resumer, etudier, verifier, auditer, inspecter, \
         synthetiser, diagnostiquer, classer, calculer, estimer, mesurer, critiquer",
    ),
    (Intent::Analyze, Need::Object, "controler, tester"),
    (
        Intent::Query,
        Need::Nothing,
        "montrer, expliquer, afficher, lister, chercher, rechercher, trouver, donner, indiquer, \
         presenter, raconter, recuperer, proposer, suggerer, conseiller, rappeler",
    ),
];

/// Irregular forms, and common misspellings.
pub(super) const VERBS: &[VerbRow] = &[
    (
        Intent::Delete,
        Need::Nothing,
        IMPERATIVE,
        "detruis, detruisez, detruisons, jette, debarrasse toi de, debarrassez vous de, \
         debarrasse moi de, debarrassez moi de, debarrasse nous de, fais disparaitre, faites \
         disparaitre, mets a la corbeille, mets a la poubelle",
    ),
    (
        Intent::Delete,
        Need::Nothing,
        INFINITIVE,
        "detruire, faire disparaitre, se debarrasser de, te debarrasser de, vous debarrasser \
         de, debarrasser de, mettre a la corbeille, mettre a la poubelle",
    ),
    (Intent::Delete, Need::Nothing, SECOND, "detruises, detruisiez, jettes, te debarrasses de"),
    (Intent::Delete, Need::Nothing, PARTICIPLE, "detruit, detruite, detruits, detruites"),
    (
        Intent::Send,
        Need::Nothing,
        IMPERATIVE,
        "transmets, transmettez, transmettons, fais suivre, faites suivre, previens, prevenez, \
         avertis, avertissez, fais parvenir, faites parvenir",
    ),
    (Intent::Send, Need::Person, IMPERATIVE, "ecris a, ecrivez a, reponds a, repondez a"),
    (Intent::Send, Need::Person, INFINITIVE, "ecrire a, repondre a"),
    (Intent::Send, Need::Object, IMPERATIVE, "envoi, envoies, envois, soumets, soumettez"),
    (
        Intent::Send,
        Need::Nothing,
        INFINITIVE,
        "transmettre, faire suivre, prevenir, avertir, faire parvenir, soumettre",
    ),
    (Intent::Send, Need::Nothing, SECOND, "transmettes, transmettiez, fasses suivre, previennes"),
    (Intent::Send, Need::Nothing, PARTICIPLE, "transmis, transmise, transmises"),
    (Intent::Delete, Need::Object, IMPERATIVE, "supprimes, effaces, enleves, retires"),
    (Intent::Transfer, Need::Object, IMPERATIVE, "transfert, transferes, exportes"),
    (
        Intent::Create,
        Need::Nothing,
        IMPERATIVE,
        "ecris, ecrivez, ecrivons, construis, construisez, produis, produisez, concois, \
         concevez, traduis, traduisez, mets en place, mettez en place",
    ),
    (
        Intent::Create,
        Need::Nothing,
        INFINITIVE,
        "ecrire, construire, produire, concevoir, traduire, mettre en place",
    ),
    (Intent::Create, Need::Nothing, SECOND, "ecrives, ecriviez, construises, traduises"),
    (Intent::Create, Need::Object, IMPERATIVE, "fais, faites, faisons"),
    (Intent::Create, Need::Object, INFINITIVE, "faire"),
    (Intent::Create, Need::Object, SECOND, "fasses, fassiez"),
    (
        Intent::Update,
        Need::Nothing,
        IMPERATIVE,
        "mets a jour, mettez a jour, mettons a jour, met a jour, convertis, convertissez, \
         retablis, retablissez",
    ),
    (Intent::Update, Need::Nothing, INFINITIVE, "mettre a jour, convertir, retablir, raccourcir"),
    (Intent::Update, Need::Nothing, SECOND, "mettes a jour, mettiez a jour"),
    (
        Intent::Query,
        Need::Nothing,
        IMPERATIVE,
        "decris, decrivez, dis, dites, lis, lisez, definis, definissez, rappelle, reponds, \
         repondez",
    ),
    (Intent::Query, Need::Nothing, INFINITIVE, "decrire, dire, lire, definir, repondre, savoir"),
    (Intent::Query, Need::Nothing, SECOND, "dises, disiez, decrives, lises"),
];

pub(super) const FRAMES: &[FrameRow] = &[
    (
        Asks::Politely,
        ORDER,
        "svp, stp, s il te plait, s il vous plait, sil te plait, sil vous plait, s il te plaie",
    ),
    (
        Asks::Politely,
        INFINITIVE | SECOND,
        "veuillez, merci de, merci de bien vouloir, priere de, je vous prie de, je te prie de, \
         merci d",
    ),
    (
        Asks::Anywhere,
        INFINITIVE,
        "peux tu, peut tu, peu tu, pourrais tu, pourrai tu, pouvez vous, pourriez vous, veux \
         tu, voulez vous, voudrais tu, voudriez vous, veux tu bien, voulez vous bien, peux tu s \
         il te plait, est ce que tu peux, est ce que tu pourrais, est ce que tu veux bien, est \
         ce que vous pouvez, est ce que vous pourriez, serait il possible de, serait il \
         possible d, ca serait bien de, ce serait bien de, il serait bien de, ca te derangerait \
         de, cela vous derangerait il de, te serait il possible de, vous serait il possible de, \
         aurais tu la gentillesse de, auriez vous la gentillesse de, auriez vous l amabilite \
         de, peux tu me, peux tu nous",
    ),
    (
        Asks::AsWish,
        INFINITIVE,
        "te demande de, vous demande de, t ordonne de, vous ordonne de, te prie de, vous prie \
         de, besoin que tu ailles, charge de, te charge de, vous charge de, te conseille de, te \
         suggere de, vous suggere de, t autorise a, vous autorise a, compte sur toi pour, \
         compte sur vous pour, t invite a, vous invite a",
    ),
    (Asks::AsWish, SECOND, "que tu, que vous, que tu me, que vous me, qu on"),
    (
        Asks::AtHead,
        INFINITIVE,
        "je veux, je voudrais, j aimerais, j aimerai, je souhaite, je souhaiterais, je desire, \
         je dois, je vais, il faut, faut, il faudrait, faudrait, il est temps de, il convient \
         de, il s agit de, j ai besoin de, on a besoin de, besoin de, nous voulons, nous \
         devons, nous voudrions, nous souhaitons, on doit, on va, on devrait, tu peux, tu dois, \
         tu devrais, tu pourrais, tu vas, vous pouvez, vous devez, vous devriez, vous pourriez, \
         vous allez, tu peux maintenant, tu veux bien, vous voulez bien, bien vouloir, vouloir, \
         vouloir bien, il te faut, il me faut, il nous faut, il vous faut, pense a, pensez a, n \
         oublie pas de, n oubliez pas de, ne oublie pas de, n oublie surtout pas de, n oubliez \
         surtout pas de, n hesite surtout pas a, n hesitez surtout pas a, n hesite pas a, n \
         hesitez pas a, ne manque pas de, ne manquez pas de, essaie de, essaye de, essayez de, \
         commence par, commencez par, commence a, continue a, continuez a, continue de, finis \
         de, termine de, aide moi a, aidez moi a, aide nous a, permets moi de, charge toi de, \
         chargez vous de, occupe toi de, occupez vous de, depeche toi de, depechez vous de, \
         assure toi de, assurez vous de, veille a, veillez a, tache de, ta tache est de, ta \
         mission est de, ton but est de, ton objectif est de, votre tache est de, le but est \
         de, l objectif est de, mon but est de, mon objectif est de, la tache consiste a, fais, \
         faites, pourquoi ne pas, c est a toi de, c est a vous de, tu es prie de, vous etes \
         prie de, je t autorise a, je compte, je tiens a, tu as le droit de, tu n as qu a, vous \
         n avez qu a, y a qu a, mieux vaut, non seulement",
    ),
    (
        Asks::AtHead,
        ORDER,
        "va, allez, vas y, allez y, comme convenu, comme prevu, comme d habitude, du coup, de \
         plus, en fait, si possible, dans ce cas, par la suite, d abord, pour commencer, a \
         present, des maintenant, si oui, si c est le cas",
    ),
    (
        Asks::AtHead,
        SECOND,
        "tu, vous, il faut que tu, faut que tu, il faut que vous, que tu, que vous",
    ),
];

/// Verbs whose object says what is done, by their forms.
pub(super) const LIGHT: &[(u8, &str)] = &[
    (
        IMPERATIVE,
        "procede a, procedez a, procede au, procedez au, effectue, effectuez, fais, faites, \
         lance, lancez, execute, executez, realise, realisez, demande, declenche, engage, \
         initie, je veux, je demande, je souhaite, je voudrais, je desire, j exige, je \
         requiers, nous voulons, nous demandons, faisons, passe, passez",
    ),
    (
        INFINITIVE,
        "proceder a, proceder au, effectuer, faire, lancer, executer, realiser, demander, \
         declencher, passer",
    ),
    (SECOND, "procedes a, procediez a, effectues, effectuiez, fasses, fassiez, lances"),
];

/// The objects of those verbs.
pub(super) const EVENTS: &[(Intent, &str)] = &[
    (Intent::Delete, "suppression, effacement, destruction, elimination"),
    (Intent::Send, "envoi, expedition, diffusion, envois"),
    (Intent::Transfer, "transfert, exportation, transferts"),
    (Intent::Payment, "virement, paiement, achat, reglement, versement, remboursement, virements"),
];
