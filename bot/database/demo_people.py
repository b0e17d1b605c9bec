"""Names, streets and towns the demo shop's customers are drawn from. Invented; domains are reserved for examples."""
# ruff: noqa: E501, SIM905  (a row of data reads better in one line)

FIRST_EN = (
    "Emma Olivia Amelia Isla Ava Mia Grace Freya Lily Ella Hannah Laura Julia Anna Lena Marie Sofia Clara Nora Ida Jack "
    "Oliver Harry George Noah Leo Oscar Theo Arthur Max Paul Jonas Lukas Felix Moritz Emil Anton Erik Lars Pieter Daan "
    "Ruth Alice Martin Thomas Peter Simon David Daniel Adam Marek Jan Piotr Marta Zofia Elena Lucia Chiara Marco Luca "
    "Pierre Louis Camille Manon Chloe Ines Carlos Pablo Amira Yusuf Fatima Omar Priya Arjun Aisha Kofi Ngozi"
).split()
LAST_EN = (
    "Smith Jones Taylor Brown Wilson Clarke Wright Walker Hughes Green Hall Wood Harris Martin Cooper Ward Turner Bennett "
    "Müller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Schäfer Koch Bauer Richter Klein Wolf Neumann Krüger "
    "Jansen Visser Bakker Smit Mulder Peeters Maes Dubois Laurent Moreau Girard Rossi Bianchi Ricci Greco Garcia Lopez "
    "Moreno Silva Costa Nowak Kowalski Dvorak Novak Svoboda Hansen Larsen Nielsen Berg Lindgren Nyström Virtanen Korhonen "
    "Murphy Kelly Byrne Khan Patel Singh Okafor Mensah Haddad Demir"
).split()
FAMILY_ZH = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余"
GIVEN_ZH = (
    "伟 芳 娜 秀英 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀兰 霞 平 刚 桂英 子涵 欣怡 梓轩 浩然 雨桐 诗涵 佳怡 宇航 "
    "思远 晓雪 文博 俊杰 雅婷 志强 海燕 建华 晨曦 一诺 若曦 嘉豪 天宇 雪梅 小龙 国栋 春梅 晓明 慧"
).split()
PINYIN = {  # family names above, for e-mail addresses
    "王": "wang", "李": "li", "张": "zhang", "刘": "liu", "陈": "chen", "杨": "yang", "黄": "huang", "赵": "zhao", "吴": "wu",
    "周": "zhou", "徐": "xu", "孙": "sun", "马": "ma", "朱": "zhu", "胡": "hu", "郭": "guo", "何": "he", "高": "gao", "林": "lin",
    "郑": "zheng", "谢": "xie", "罗": "luo", "梁": "liang", "宋": "song", "唐": "tang", "许": "xu", "韩": "han", "冯": "feng",
    "邓": "deng", "曹": "cao", "彭": "peng", "曾": "zeng", "肖": "xiao", "田": "tian", "董": "dong", "袁": "yuan", "潘": "pan",
    "蒋": "jiang", "蔡": "cai", "余": "yu",
}  # fmt: skip
# country: share of English- and of Chinese-speaking customers, towns (city, region, postcode), streets, dialling code
PLACES = {
    "DE": (46, 22, (("Berlin", "BE", "10115"), ("Hamburg", "HH", "20095"), ("München", "BY", "80331"), ("Köln", "NW", "50667"),
                    ("Leipzig", "SN", "04109"), ("Freiburg", "BW", "79098"), ("Dresden", "SN", "01067"), ("Bremen", "HB", "28195")),
           ("Lindenstraße", "Gartenweg", "Bahnhofstraße", "Am Mühlbach", "Schillerstraße", "Waldallee"), "+49 30 5550"),
    "AT": (7, 2, (("Wien", "W", "1010"), ("Graz", "ST", "8010"), ("Innsbruck", "T", "6020")),
           ("Hauptplatz", "Bergstraße", "Seeweg"), "+43 1 5550"),
    "NL": (8, 3, (("Amsterdam", "NH", "1012 AB"), ("Utrecht", "UT", "3511 CD"), ("Groningen", "GR", "9711 EF")),
           ("Kerkstraat", "Molenweg", "Prinsengracht"), "+31 20 555"),
    "FR": (7, 3, (("Paris", "IDF", "75011"), ("Lyon", "ARA", "69003"), ("Grenoble", "ARA", "38000")),
           ("Rue des Lilas", "Avenue de la Gare", "Rue du Moulin"), "+33 1 5550"),
    "GB": (14, 4, (("London", "ENG", "E2 8AA"), ("Manchester", "ENG", "M1 1AE"), ("Edinburgh", "SCT", "EH1 1YZ"), ("Bristol", "ENG", "BS1 4ST")),
           ("Mill Lane", "Station Road", "Church Street", "Victoria Road"), "+44 20 7946"),
    "IE": (5, 1, (("Dublin", "D", "D02 X285"), ("Cork", "CO", "T12 W8KP")), ("Quay Street", "Abbey Road"), "+353 1 555"),
    "SE": (6, 1, (("Stockholm", "AB", "111 20"), ("Göteborg", "O", "411 03")), ("Storgatan", "Skogsvägen"), "+46 8 555"),
    "IT": (4, 1, (("Milano", "MI", "20121"), ("Torino", "TO", "10121")), ("Via Roma", "Via Garibaldi"), "+39 02 555"),
    "US": (3, 1, (("Portland", "OR", "97205"), ("Denver", "CO", "80202")), ("Pine Street", "Lake Avenue"), "+1 503 555"),
    "CN": (0, 44, (("上海", "上海", "200001"), ("北京", "北京", "100005"), ("深圳", "广东", "518001"), ("杭州", "浙江", "310001"),
                   ("成都", "四川", "610000"), ("南京", "江苏", "210005")),
           ("中山路", "人民路", "解放路", "建设大道", "文化街"), "+86 10 5555"),
    "HK": (0, 8, (("香港", "香港", "999077"),), ("弥敦道", "皇后大道"), "+852 5550"),
    "SG": (0, 10, (("Singapore", "SG", "238801"),), ("Orchard Road", "Bukit Timah Road"), "+65 6555"),
}  # fmt: skip
MAIL_DOMAINS = ("mail.example", "post.example", "inbox.example", "web.example.com", "letters.example.org")
CARD_BRANDS = ("Visa", "Mastercard", "Amex", "UnionPay")
USER_AGENTS = ("Chrome/Windows", "Safari/iPhone", "Chrome/Android", "Firefox/Linux", "Safari/Mac", "Edge/Windows")
