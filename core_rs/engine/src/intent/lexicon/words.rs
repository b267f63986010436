//! Words by what they can be in a sentence, both languages together, without accents.

use super::class::{
    ADVERBIAL, ASKS, AUXILIARY, BILL, CLITIC, COPULA, DELEGATES, ENDS, GOVERNS, INVERTS, MENTIONS,
    MONEY, NEGATES, NEGATES_BEFORE, NOTHING, OBJECT, OBLIGES, PASSIVE, POSSESSIVE, PRONOUN, RUN,
    SKIP, STOP, SUBJECT, TOWARDS, WISHES,
};

/// Classes and the words that have them; a word may stand in several rows.
pub(super) const CLASSES: &[(u32, &str)] = &[
    (
        SKIP,
        "hey hi hello ok okay yes yeah yep sure alright right oh well so now just also next \
         first firstly second secondly third finally lastly afterwards afterward later again \
         instead otherwise therefore thus hence meanwhile immediately quickly simply kindly \
         asap today tonight tomorrow carefully safely silently permanently completely entirely \
         go nova claude assistant bot gpt chatgpt dear thanks thank please pls plz maybe \
         perhaps step task todo todos action note important urgent warning",
    ),
    (
        SKIP,
        "bonjour bonsoir salut coucou he eh oui bien voila allez vas va maintenant \
         immediatement rapidement vite definitivement simplement directement completement \
         entierement automatiquement egalement finalement enfin aussi ensuite apres \
         premierement deuxiemement abord accord svp stp merci cher chere tache etape action \
         urgent surtout encore juste donc alors puis sinon totalement prudemment demain \
         aujourdhui",
    ),
    (
        OBJECT,
        "the a an my our your his her its their this that these those all any every each both \
         some it them em him me us everything anything something everyone everybody one two \
         three four five six seven eight nine ten half most many several old older new unused \
         archived existing duplicate duplicated selected remaining outdated obsolete stale \
         expired temporary previous last recent other whatever whichever anybody nothing none \
         no out mine yours theirs",
    ),
    (
        OBJECT,
        "le la les l un une des du d mes mon ma tes ton ta ses son sa nos notre vos votre leurs \
         leur ce cet cette ces tout tous toute toutes chaque moi nous lui ceci cela ca quelques \
         plusieurs deux trois quatre cinq dix en y toi eux elles tel tels",
    ),
    (
        POSSESSIVE,
        "all my our your these those this every each any everything them tout tous toute toutes \
         mes mon ma nos notre vos votre tes ton ta ces cette cet ce chaque moi les",
    ),
    (
        OBJECT,
        "trash inbox cache caches logs corbeille poubelle history table tables database databases",
    ),
    (PRONOUN, "it them everything all these those this that any anything"),
    (NOTHING, "no nothing none nobody neither aucun aucune rien"),
    (
        ASKS,
        "how what why where which who whom whose whether wherever comment pourquoi quel quelle \
         quels quelles combien qui quoi lequel laquelle lesquels lesquelles howto",
    ),
    (
        AUXILIARY,
        "do does did can could should would will shall may might must cannot cant couldnt \
         wouldnt shouldnt wont doesnt didnt dont ill id youll theyll hell itll",
    ),
    (COPULA, "is are was were isnt arent wasnt werent am means mean does did has had be been"),
    (COPULA, "est sont etait etaient signifie veut fonctionne marche"),
    (
        GOVERNS,
        "to do does did can could should would will shall may might must cannot cant couldnt \
         wouldnt shouldnt wont doesnt didnt dont i we they you not never ill youll theyll let \
         lets pour de a d sans faut peut peux doit dois peuvent doivent veut veux je j tu il \
         elle on ils elles nous vous qui who that help helps helping make makes",
    ),
    (
        NEGATES,
        "not never dont doesnt didnt cannot cant wont shouldnt couldnt wouldnt mustnt neednt no \
         ne n neither nor without sans pas jamais ni donot aint",
    ),
    (NEGATES_BEFORE, "pas jamais rien aucun aucune personne point guere nullement"),
    (SUBJECT, "i we they he she you it im ive weve theyve je j il elle on ils elles tu nous vous"),
    (
        ADVERBIAL,
        "if when whenever once after before while since because as unless until to in although \
         though whereas for by with si quand lorsque lorsqu des avant apres pour afin puisque \
         puisqu comme tant pendant depuis une sans",
    ),
    (CLITIC, "me m te t le la les l lui leur nous vous y en tout tous toutes toute se s"),
    (RUN, "run execute perform apply obey follow lance lancez execute executez applique appliquez"),
    (RUN, "executer effectue effectuez obeis lancer appliquer"),
    (
        MONEY,
        "$ € £ ¥ euro euros eur dollar dollars usd cad pound pounds gbp chf money cash funds \
         bucks bitcoin btc credits argent fonds somme",
    ),
    (
        BILL,
        "facture factures addition note solde montant loyer salaire salaires commande abonnement",
    ),
    (TOWARDS, "to into onto towards toward over vers dans chez sur a au aux en"),
    (
        MENTIONS,
        "of between versus vs about for with via either than like called named word verb entre \
         contre mot verbe terme nomme",
    ),
    (
        WISHES,
        "want need like besoin veux voudrais aimerais souhaite faut faudrait prefere exige \
         demande ordonne desire",
    ),
    (WISHES, "veut voulons voudrions aimerions souhaitons exigeons souhaiterais propose"),
    (
        OBLIGES,
        "must should shall sure ensure need needs have has ought want like expect doit doivent \
         devrait devraient faut faudrait veux voudrais aimerais souhaite exige",
    ),
    (PASSIVE, "be get getting etre soit soient"),
    (
        ENDS,
        "please pls plz from by before after now today tonight tomorrow immediately asap \
         permanently right to and for on at svp stp s merci maintenant avant pour a au aux \
         definitivement vite immediatement rapidement de du des",
    ),
    (
        DELEGATES,
        "ask tell instruct order command get have make demande demandez dis dites ordonne \
         ordonnez charge chargez",
    ),
    (INVERTS, "tu vous il elle on je ils elles t"),
    (
        STOP,
        "the and for are but not you all any can had her was one our out has him his how its \
         may new now old see two who did get let put say she too use that with have this will \
         your from they know want been good much some time very when come here just like long \
         make many more only over such take than them then well were what where which while \
         would could should there their these those about into does dont please also each every \
         after before being between both because down during off once other same under until \
         again i me my we us he it am is be do so if or as at by in of on to up no an a",
    ),
    (
        STOP,
        "les des une est que qui dans pour pas sur plus par avec tout tous mes tes ses nos vos \
         leur leurs mon ton son notre votre cette ces ces aux elle elles ils nous vous mais \
         donc car sans sous entre chez vers comme etre avoir fait faire peux peut peut pouvez \
         pourrais pourriez veux voudrais aimerais suis sont ete etait aussi bien tres trop \
         alors puis ensuite merci plait toute toutes quel quelle quels quelles comment pourquoi \
         quand moi toi lui eux ici la cela ceci dont ou et un le de du au en je tu il on ce se \
         ne que svp stp",
    ),
];
