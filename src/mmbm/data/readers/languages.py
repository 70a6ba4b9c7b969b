"""Score the language of a decoding by its letters that aren't ASCII and their neighbors. cp1250 and
cp1252 have letters at the same bytes (č and è, ř and ø, ő and õ), and so do cp1251 and cp1255 (ш
and ר): only the words distinguish them.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

Place = Sequence[str]
"""A character between its neighbors: three characters."""
FOREIGN = -2.0
"""Score of a letter that the language doesn't have."""
USUAL = 0.3
"""Score of unknown characters."""

_WORDS = {
    "cs":
    "že více článek říká příliš žluťoučký kůň úpěl ďábelské ódy být když může také své však "
    "před přes při čtvrtek pátek středa úterý pondělí neděle měsíc únor březen červen "
    "červenec září říjen dobrý špatný rychlé žádný český Česká Plzeň Děčín Třebíč Králové "
    "Zlín Novák Dvořák Černý Procházka Svobodová Kučera Veselý Horák Němec Pospíšil Růžička "
    "muž žena dítě děti zboží výrobek poškozené doporučuji líbí mám není těší čas člověk "
    "život světě roků léta město země lidé práce důležité změna škola učitel přítel červená "
    "modrá zelená žlutá černá bílá hnědá růžová fialová šedá oranžová děkuji prosím jméno "
    "příjmení náměstí věk výška váha číslo částka úroveň vysoká nízká střední spokojený "
    "zákazník služba dodání přišlo ještě už tř něco nějaký několik účet ústí odměna období "
    "tým",
    "pl":
    "że się są był być była także więc już może można jeżeli ponieważ który która które "
    "między również święto Łódź Kraków Wrocław Poznań Gdańsk Białystok Toruń Rzeszów Michał "
    "Paweł Łukasz Małgorzata Rafał Wałęsa Dąbrowski Zieliński Wiśniewski Kamiński Wójcik "
    "Woźniak Kozłowski Jabłoński zażółć gęślą jaźń dzień tydzień miesiąc środa piątek "
    "sierpień wrzesień październik grudzień styczeń zła jakość każdemu przesyłka żółty różowy "
    "biały brązowy mężczyzna człowiek życie świat ważne szkoła imię wysokość wartość średnia "
    "duża mała cześć proszę dziękuję mówić robić pieniądze książka późno wcześnie źle żona "
    "mąż pięć dziewięć sześć osób około ćwierć ósmy łatwy trudność środek państwo władza "
    "główny źródło też",
    "hu":
    "és már még után között során egyéb őszi eső győr pécs kecskemét székesfehérvár árvíztűrő "
    "tükörfúrógép férfi nő élet világ város ország változás tanár barát név cím magasság súly "
    "szám érték közepes jó minőség ajánlom termék vásárlás szállítás elégedett köszönöm "
    "szépen kérem hétfő csütörtök péntek vasárnap január február március április május június "
    "július október kék zöld sárga fehér rózsaszín szürke Kovács Tóth Szabó Horváth Molnár "
    "Németh Mészáros Fülöp erdő szőlő idő felhő első második több kevés kül külön külföldi "
    "önkormányzat díj ár árú ügy ügyfél vevő eladó működik űr hűtő fűtés tűz gyűrű művész "
    "betű szűk húsz öt hét",
    "sk":
    "že veľmi dobrý výrobok zlá Košice Žilina Trenčín Prešov Banská ľudia sú šťastní môže "
    "ktorý ktorá práve ešte keď však ďalší čas život škola učiteľ priateľ žltá červená modrá "
    "čierna muž žena dieťa štvrtok nedeľa január môj náš váš stôl kôň deň týždeň číslo výška "
    "služba zákazník ďakujem prosím áno vŕba stĺp väčší päť deväť desať mäso svätý doručenie "
    "rýchle spokojný",
    "hr":
    "što će već više još čovjek život škola učitelj žena muškarac dječak djevojčica "
    "preporučujem loša neću Šibenik Varaždin Čakovec Kovačević Horvatić Babić Marić Jurić "
    "Đorđe Đurđevac Željko Tomić Petrović Jović ćemo ćete kuća noć moć sreća međutim između "
    "također veća riječ riječi žuta smeđa siječanj veljača ožujak četvrtak količina težina "
    "očekivano brža češće znači način osjećaj željeznica država općina županija križ križa",
    "sl":
    "že še več priporočam žal Škofja Črnomelj človek življenje šola učitelj moški ženska "
    "četrtek rdeča črna dežela država občina teža višina število časopis leči če žival "
    "življenja Žiga Blaž Boštjan Uroš Matjaž Klemenčič Kovačič Zupančič Šuštar način pošta "
    "naročilo plačilo plača knjižnica kjučna boljši najboljši slabši izkušnja tekoči bližnji "
    "drugač",
    "ro":
    "şi să că în între după când către până această aceştia fără însă bună îmi slabă mâine "
    "dimineaţă Bucureşti Iaşi Timişoara Constanţa Braşov Ploieşti Galaţi oraş şcoală "
    "învăţător bărbat viaţă ţară muncă vârstă înălţime număr preţ mulţumit mulţumesc roşu "
    "marţi sâmbătă duminică frumoasă masă casă apă mamă tată fată băiat și săptămână țară "
    "înțeles viață preț București Iași Timișoara ăsta ţi aţi staţie naţional situaţie "
    "informaţii dacă două câte mână pâine sânge român România înapoi rapidă",
    "tr":
    "çok güzel ürün kötü beğenmedim beğendim kadın teşekkür hızlı sarı yeşil kırmızı İstanbul "
    "İzmir Eskişehir Diyarbakır Şanlıurfa Muğla Kütahya Çanakkale Ağrı için değil olduğu şey "
    "şimdi aynı başka karşı doğru diğer büyük küçük yıl gün salı çarşamba perşembe şubat "
    "mayıs ağustos eylül kasım aralık dünya şehir ülke iş önemli değişiklik öğretmen öğrenci "
    "arkadaş adı soyadı yaş ağırlık sayı müşteri sağlık çocuk kız oğul ağaç dağ yağmur ışık "
    "sıcak soğuk yüksek düşük şeker süt balık kış Ayşe Gökçe Yılmaz Çelik Şahin Yıldız Öztürk "
    "Aydın Özdemir Doğan Kılıç çalışıyor geldiğinde geç ığdır Beyoğlu Üsküdar Ümraniye "
    "tükendi ğı üç dört",
    "lt":
    "prekė kokybė Šiauliai Klaipėda Panevėžys žmogus ačiū prašau žalia mėlyna metų įvairių "
    "šių dėl iš į už tačiau ąžuolas kurį kurią gražiai švietimas šeštadienis rugsėjis "
    "rugpjūtis gegužė sąskaita mąstyti ėjo išėjo žiūrėti didžiausių paslaugų klientų ūkis "
    "būti būdas sūris jūra mažėja žemė šalis šalį įmonė įsigyti",
    "lv":
    "ļoti kvalitāte Rīga Jūrmala Liepāja cilvēks dzīve pilsēta vīrietis bērns lūdzu zaļa gadā "
    "šis kā arī vēl tā būt pēc mēnesis nedēļa svētdiena jūlijs jūnijs septembrī ņem kāpēc "
    "ģimene ķēde šķirne laukā čaks žurnāls ēka īsts ātri vērtība mūzika pārdošana piegāde "
    "ātra cenā pakalpojumā apmierināts viņš viņa nāca ļauj",
    "et":
    "väga Pärnu Võru Jõhvi Põltsamaa Kärdla õpetaja sõber aitäh päev nädal esmaspäev "
    "neljapäev märts jõulud õhtu öö töö töötab küsimus käima käsi jää üks kõik või mõned nõus "
    "võimalik võib kõrge õnn õli õun põld sõna lõpp hõbe rõõm püha küla süda täna täht mõju "
    "väike tõsi tähtis kättesaadav müük tänav",
    "de":
    "für über können müssen würde möchte während natürlich größer größe länge höhe schön "
    "schöne grüße München Köln Düsseldorf Nürnberg Würzburg Müller Schröder Jäger Krämer Böhm "
    "Günther Jürgen Käthe Gärtner weiß heiß groß straße fußball grün süß böse männlich "
    "Universität Qualität völlig überteuert später früh fünf zwölf Übung Öl Äpfel Österreich "
    "Änderung Gerät tägliche jährlich Mädchen Mütter Väter Söhne Töchter Bücher Häuser Bäume "
    "Tür Frühstück Käse Gemüse Brötchen Königs März Frühling ungefähr Fähre Ärzte Geschäft "
    "Stück zurück glücklich gefällt hört führt läuft hält verfügbar Lösung Prüfung "
    "Rücksendung Größenangabe außen draußen schließen beißt müde kühl wäre hätte täuschen "
    "äußerst",
    "fr":
    "été être après très déjà même où à là ça français étranger élève école université "
    "qualité déçu reçu leçon garçon façon façade Noël naïf maïs Besançon Orléans Nîmes Liège "
    "Genève Hélène André René François Gaëlle Élodie bientôt hôtel hôpital fenêtre tête fête "
    "bête forêt août goût coût dû sûr mûr île dîner maître connaître cœur sœur œuvre œuf vœux "
    "bœuf père mère frère première dernière bière lumière problème système mètre siècle pièce "
    "légère intéressé préféré numéro prénom âge année journée soirée café thé marché santé "
    "sécurité société propriété énergie économie électrique évidemment crème célèbre vélo "
    "téléphone télévision théâtre âme pâte gâteau château bâtiment drôle contrôle rôle côté "
    "tôt bleuâtre légèrement aïeul Moïse égoïste êtes-vous naïveté coïncidence aiguë",
    "es":
    "señor año niño niña mañana español España señora pequeño montaña Muñoz Peña Málaga "
    "Córdoba Cádiz León Bogotá México Perú Medellín Almería Jaén José María Jesús Andrés "
    "Álvaro Ángel Raúl García González Martínez Rodríguez Fernández López Sánchez Pérez Gómez "
    "Jiménez Díaz Hernández qué cómo cuándo dónde quién está están estás más también después "
    "así allí aquí sí mí tú él día días teléfono número página información atención canción "
    "corazón razón situación educación relación opinión difícil fácil útil rápido último "
    "público música médico básico económico política película código título crédito débito "
    "envío país río tío frío mío compañía recomendaría podría sería tenía había compréis "
    "vergüenza pingüino bilingüe sueño dueño baño otoño uña piña leña árbol ópera éxito época "
    "único débil",
    "pt":
    "não são também então até você está português ação coração informação educação atenção "
    "São Brasília Goiânia Maranhão Ceará Amapá João Conceição José António Antônio Luís Inês "
    "Gonçalves Magalhães Guimarães Simões Araújo irmão irmã mãe avô avó mão mãos pão pães cão "
    "rápida péssima opções questões relações milhões leões põe preço serviço cabeça força "
    "França almoço começar fácil difícil útil possível número código página título médico "
    "público último único música política econômico ônibus três mês inglês francês "
    "importância ciência paciência experiência agência família história memória água língua "
    "saúde país juízo açúcar ótimo ótima época véu céu réu herói dúvida êxito à às amanhã "
    "maçã lã sábado terça março",
    "it":
    "è perché poiché più può già così però città università qualità libertà società verità "
    "metà età lunedì martedì mercoledì giovedì venerdì sì lì là né sé giù virtù caffè tè "
    "tribù comò falò farò sarà andrò sarò Nicolò Cefalù Forlì Cantù Niccolò ciò cioè finché "
    "benché affinché",
    "sv":
    "på är så från också där här när än år själv många får går står måste bättre större "
    "människa världen lärare vän män gärna röd grön blå Malmö Göteborg Örebro Västerås Umeå "
    "Jönköping Linköping Östersund Skåne Öland kön dålig väldigt smörgåsbord måndag lördag "
    "söndag höst vår förra nästa före Björn Sjöberg Åsa Märta Håkan Jörgen Söderström "
    "Lindström Sjögren kök öl ägg fågel häst sjö hör kött möte fråga gräns äldre åtta två "
    "köpa sälj öppet stängt idé armé",
    "da":
    "på også så når får går står år råd måske små blå grøn rød København Århus Ærø Næstved "
    "Sjælland dårlig stærkeste Tromsø Ålesund Bodø Bærum Ålborg rødgrød fløde mænd børn lærer "
    "vært være været nær ær læse skære søndag lørdag måned første næste før øl æg brød smør "
    "sø ø vælge kærlighed hjælp æble gør gøre større mørk høj købe sælger spørgsmål svært "
    "Jørgen Søren Kåre Åse Pål Bjørn Ørsted Bjørk én véd idé både prøve prøver åben",
    "fi":
    "hyvää päivää tämä pidä tästä Jyväskylä Hämeenlinna Kemijärvi Seinäjoki sähkö työ yö "
    "pöytä tyttö myös että eivät sitä mitä missä tässä jälkeen näin nähdä käydä pitää täytyy "
    "hän häntä äiti isä kesä kevät päivä elämä ystävä vihreä ihmisiä välillä lähellä väri "
    "määrä hyvä Mäkinen Hämäläinen Väisänen Järvinen Niemelä Åbo öljy höyry",
    "is":
    "það þetta þú þá því þegar við eða síðan góð góður mjög gæði slæmt Reykjavík Ísafjörður "
    "Hafnarfjörður Keflavík já maður líf bær skóli rauður blár grænn hvítur mánudagur "
    "miðvikudagur föstudagur mánuður ár hæð þyngd verð þjónusta ánægður Jón Guðrún Sigríður "
    "Þór Þórunn Björk Einarsdóttir Jónsson ég mér þér hér fjölskylda góðan vörur viðskipti "
    "óska ný nýtt hús mús út úr ís ísland",
    "nl":
    "één België Brazilië Italië geïnteresseerd coördinatie ideeën reünie zeeën financiële "
    "industriële hé café crème naïef skiën beëdigd tweeën drieën provinciën cliënt patiënten "
    "Daniël Michaël Daniëlle André José René Noël Zoë vóór óf coöperatie geüpload reële ruïne "
    "egoïst",
    "ru":
    "привет как дела очень хороший день плохое качество товар рекомендую быстро доставка "
    "москва петербург казань новосибирск екатеринбург иванов петров сидоров смирнова это что "
    "он она они мы вы был была было для или если когда где который которая человек люди жизнь "
    "мир город школа учитель друг мужчина женщина ребёнок красный синий зелёный жёлтый чёрный "
    "белый понедельник вторник среда четверг пятница суббота воскресенье январь февраль март "
    "апрель май июнь июль август сентябрь октябрь ноябрь декабрь имя фамилия возраст рост вес "
    "цена сумма номер улица большой маленький новый старый первый второй спасибо пожалуйста "
    "да нет может быть не знаю отлично ужасно нормально сообщение загрузка файл изображение "
    "звук ошибка удалить сохранить",
    "uk":
    "привіт як справи дуже добрий погана якість товар раджу київ львів одеса харків дніпро це "
    "що він вона вони був була було для або якщо коли який яка людина люди життя світ місто "
    "школа вчитель друг чоловік жінка дитина червоний синій зелений жовтий чорний білий "
    "понеділок вівторок середа четвер п'ятниця субота неділя січень лютий березень квітень "
    "травень червень липень серпень вересень жовтень листопад грудень ім'я вік зріст вага "
    "ціна сума номер вулиця великий малий новий дякую будь ласка так ні завантажити "
    "зображення звук помилка видалити зберегти її",
    "bg":
    "здравей как си много добър продукт лошо качество бърза доставка софия пловдив варна "
    "бургас това който която са съм беше или ако когато къде човек хора живот свят град "
    "училище учител приятел мъж жена дете червен син зелен жълт черен бял понеделник вторник "
    "сряда четвъртък петък събота неделя януари февруари март април май юни юли август "
    "септември октомври ноември декември име възраст тегло цена номер улица голям малък нов "
    "стар благодаря моля да не български",
    "el":
    "καλημέρα κόσμε αθήνα θεσσαλονίκη πάτρα πολύ καλό προϊόν το συνιστώ κακή ποιότητα μέτριο "
    "γρήγορη παράδοση είναι και δεν που για από με στην στον ότι όταν αυτό άνθρωπος ζωή πόλη "
    "σχολείο δάσκαλος φίλος άνδρας γυναίκα παιδί κόκκινο μπλε πράσινο κίτρινο μαύρο άσπρο "
    "δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή ιανουάριος μάρτιος απρίλιος "
    "ιούνιος όνομα ηλικία ύψος βάρος τιμή αριθμός οδός μεγάλο μικρό νέο ευχαριστώ παρακαλώ "
    "ναι όχι ελληνικά εικόνα αρχείο σφάλμα",
    "he":
    "שלום עולם איכות טובה מאוד רע בינוני טוב של את על לא כן זה זאת הוא היא הם אני אתה מה מי "
    "איפה מתי אם או גם רק יש אין היה היתה אדם אנשים חיים עיר בית ספר מורה חבר גבר אישה ילד "
    "אדום כחול ירוק צהוב שחור לבן ראשון שני שלישי רביעי חמישי שישי שבת ינואר פברואר מרץ אפריל "
    "מאי יוני יולי אוגוסט ספטמבר אוקטובר נובמבר דצמבר שם גיל גובה משקל מחיר מספר רחוב גדול "
    "קטן חדש ישן תודה בבקשה ישראל תל אביב ירושלים חיפה באר שבע מוצר מומלץ משלוח מהיר גרוע "
    "מצוין נחמד הקלטה תמונה קובץ שגיאה",
}  # fmt: skip


@lru_cache
def _languages() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """For each language its letters with marks, and their pairs with neighbors."""
    made = []
    for words in _WORDS.values():
        text = f" {re.sub(r'[- ]+', ' ', lower(words))} "
        places = [(text[i - 1], c, text[i + 1]) for i, c in enumerate(text) if not c.isascii()]
        pairs = {b + c for b, c, _ in places} | {c + n for _, c, n in places}
        made.append((frozenset(c for _, c, _ in places), frozenset(pairs)))
    return tuple(made)


def familiar(places: Iterable[Place]) -> float:
    """Score from -2 to 1: how well the letters that aren't ASCII are those of one language, between
    neighbors that they have in it; the best of the languages known here. `USUAL` without any such
    letters, or with those of another script."""
    letters = {tuple(map(_plain, place)) for place in places if _is_known(place[1])}
    letters = {(b, c, n) for b, c, n in letters if (b, n) != (" ", " ")}  # one alone is no evidence
    if not letters:
        return USUAL
    return max(_fits(letters, *language) for language in _languages())


def _fits(places: set, alphabet: frozenset[str], pairs: frozenset[str]) -> float:
    total = 0.0
    for before, c, behind in places:
        if c not in alphabet:
            total += FOREIGN
        else:
            total += ((before + c in pairs) + (c + behind in pairs)) / 2
    return total / len(places)


def _is_known(c: str) -> bool:
    """Of the Latin, Greek, Cyrillic and Hebrew scripts."""
    return c.isalpha() and "\u00c0" <= c < "\u0600"


def _plain(c: str) -> str:
    return lower(c) if c.isalpha() else " "


def lower(text: str) -> str:
    """Lowercase per letter: the capital I with a dot becomes a letter that isn't ASCII either."""
    return text.replace("İ", "ı").lower()
