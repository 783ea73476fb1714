// Tailor Studio. Runs once, in the page's head. What belongs to one component lives beside it in Python.
document.documentElement.lang = 'en';
