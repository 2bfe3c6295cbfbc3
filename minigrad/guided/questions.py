def add_questions(graph, values):
    pass
