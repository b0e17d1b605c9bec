window.kefu = window.kefu || function () { (kefu.q = kefu.q || []).push(arguments); };
