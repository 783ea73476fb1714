// Tailor Studio
