from tako.cli import main

main()
